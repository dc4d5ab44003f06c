import type { CircuitRequest } from './backend.ts'
import type { Circuit } from './circuit.ts'
import type { SyncStatus, View } from './machine.ts'

/** A request on its way: what this process knew when it left. */
export interface Sent {
  readonly circuit: Circuit
  /** The epoch of the local machine then. */
  readonly epoch: number
  readonly request: CircuitRequest
}

const nothing: View = { epoch: 0, state: 'closed', remainingMs: 0, trips: 0, override: undefined, by: '' }

/**
 * A request that offers the local view, so that a server that lost the circuit gets it back. A view that was made here
 * while the server was out of reach is kept back where a quorum is asked for: one process must not decide for all.
 */
export function makeRequest(circuit: Circuit, now: number): Sent {
  const { machine, policy, shared } = circuit
  const madeHere = shared !== undefined && machine.epoch !== shared.sharedEpoch
  const offered = !madeHere || policy.quorum === 1 || shared.operator
  const request = { id: shared?.id ?? '', policy, view: offered ? circuit.view(now) : nothing }
  return { circuit, epoch: machine.epoch, request }
}

/**
 * Whether the server's view replaces the local one: when it is newer, or when the server did not take what was offered
 * and nothing has happened here since. Anything else is an answer overtaken by a push.
 */
export function replaces(reply: { readonly view: View; readonly status: SyncStatus }, sent: Sent): boolean {
  const { epoch } = sent.circuit.machine
  if (reply.view.epoch > epoch) return true
  const overruled = reply.status === 'refused' || sent.request.view.epoch !== sent.epoch
  return overruled && epoch === sent.epoch && reply.view.epoch !== epoch
}

import { TimeLimitError } from '../../time/time-limit.ts'
import type {
  AcquireReply,
  ControlAction,
  ControlReply,
  FlushReply,
  ProbeResult,
  ReportReply,
} from '../machine/machine.ts'
import type { CircuitPolicy } from '../machine/policy.ts'
import type { View } from '../machine/state.ts'
import type { Counts } from '../machine/window.ts'

/** Every operation carries the caller's view, so that a server that lost the circuit gets it back. */
export interface CircuitRequest {
  readonly id: string
  readonly policy: CircuitPolicy
  readonly view: View
}

/** A reply, with the server's time when it was made, in milliseconds since 1970. */
export type Timed<T> = T & { readonly serverMs: number }

/** The server did not answer in time, on a connection that stands: it is slow, and knows what it was told. */
export class SlowStoreError extends TimeLimitError {}

/** What every reply says of the circuit, whatever was asked. */
export type ReplyHead = Timed<ControlReply>

/**
 * Port: the machine that processes share. Each operation is one atomic step of `machine.ts` on the server, by the
 * server's clock. An operation that fails may have happened or not: with a {@link SlowStoreError} where the server has lost
 * nothing meanwhile. All of them settle within a bounded time.
 */
export interface CircuitBackend {
  /** The name of a key's circuit on the server. */
  idOf(key: string): string
  /** One reply or error per request, in order. Never rejects. */
  flush(
    requests: readonly (CircuitRequest & { readonly counts: Counts })[],
  ): Promise<(Timed<FlushReply> | Error)[]>
  /** The epoch of each, 0 for what the server has not; changes nothing. A fraction of a flush. Never rejects. */
  peek(ids: readonly string[]): Promise<(number | Error)[]>
  acquire(request: CircuitRequest, token: string, renew: boolean): Promise<Timed<AcquireReply>>
  report(request: CircuitRequest, token: string, result: ProbeResult): Promise<Timed<ReportReply>>
  control(request: CircuitRequest, action: ControlAction): Promise<Timed<ControlReply>>
}

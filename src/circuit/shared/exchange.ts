import { isError } from '../../errors.ts'
import type { Scheduler } from '../../time/clock.ts'
import type { Strain } from '../../time/strain.ts'
import type { Circuit } from '../circuit.ts'
import type { FlushReply } from '../machine/machine.ts'
import { unknownView, type View } from '../machine/state.ts'
import { sumsOf } from '../machine/window.ts'
import { type CircuitRegistry, isBare } from '../registry.ts'
import {
  type CircuitBackend,
  type CircuitRequest,
  type ReplyHead,
  SlowStoreError,
  type Timed,
} from './backend.ts'
import type { SharedState } from './shared-state.ts'
import type { StoreHealth } from './store-health.ts'

/** A request on its way: what this process knew when it left. */
export interface Sent {
  readonly circuit: Circuit
  /** The epoch of the local machine then. */
  readonly epoch: number
  readonly request: CircuitRequest
}

/** A flush on its way. */
interface SentFlush extends Sent {
  /** How many were sent for the circuit, with this one. */
  readonly order: number
}

/** What the exchange asks of the store around it. */
interface ExchangeHost {
  /** The circuit has results that were never sent. */
  hasUnsent(circuit: Circuit): void
  /** The backend answers again for one circuit: others may be worth a try. */
  recovered(): void
  /** A command failed: it is to be tried again later. */
  failed(): void
}

/** Sends what this process has counted, and takes over what comes back, or goes on alone when nothing does. */
export class Exchange {
  readonly #backend: CircuitBackend
  readonly #scheduler: Scheduler
  readonly #registry: CircuitRegistry
  readonly #health: StoreHealth
  readonly #strain: Strain
  readonly #host: ExchangeHost
  readonly #sending = new Set<Promise<void>>()
  /** A reply of the server has told its time. */
  #timed = false
  #closed = false

  constructor(
    backend: CircuitBackend,
    scheduler: Scheduler,
    registry: CircuitRegistry,
    health: StoreHealth,
    strain: Strain,
    host: ExchangeHost,
  ) {
    this.#backend = backend
    this.#scheduler = scheduler
    this.#registry = registry
    this.#health = health
    this.#strain = strain
    this.#host = host
  }

  /** The server's time, as its replies told it; `undefined` before the first. */
  get serverNow(): number | undefined {
    return this.#timed ? this.#scheduler.now() + this.#registry.offset : undefined
  }

  /**
   * One batch: sends what is pending, and takes the views that come back. The store is not to keep a circuit that only
   * stands above others: it is asked whether an operator has touched it. Resolves when all of it was answered, or has
   * failed.
   */
  async flush(circuits: readonly Circuit[]): Promise<void> {
    const bare = circuits.filter(isBare)
    await Promise.all([
      bare.length < circuits.length && this.#send(circuits.filter((circuit) => !isBare(circuit))),
      bare.length > 0 && this.peek(bare),
    ])
  }

  #send(circuits: readonly Circuit[]): Promise<void> {
    const batch = circuits.map((circuit) => ({
      ...makeRequest(circuit, this.#scheduler.now()),
      order: circuit.shared?.nextOrder() ?? 0,
    }))
    const requests = batch.map((sent) => {
      const { shared } = sent.circuit
      const counts =
        shared?.reached !== true || shared.degraded ? { total: 0, failed: 0, slow: 0 } : shared.take()
      return { ...sent.request, counts }
    })
    return this.#asked(circuits, this.#backend.flush(requests), (replies) => {
      batch.forEach((sent, at) => {
        const reply = replies[at] ?? new Error('no reply')
        if (isError(reply)) this.onFailure(sent.circuit, reply)
        else this.#onFlushed(sent, reply)
      })
    })
  }

  /** Asks only whether the views still hold; those that do not are brought up to date. */
  peek(circuits: readonly Circuit[]): Promise<void> {
    const ids = circuits.map(({ shared }) => shared?.id ?? '')
    return this.#asked(circuits, this.#backend.peek(ids), (epochs) => {
      if (this.#closed) return
      const stale: Circuit[] = []
      circuits.forEach((circuit, at) => {
        const epoch = epochs[at] ?? new Error('no reply')
        const { shared, machine } = circuit
        if (isError(epoch)) this.onFailure(circuit, epoch)
        else if (shared !== undefined && epoch === machine.epoch) this.#answered(circuit, shared)
        else stale.push(circuit)
      })
      if (stale.length > 0) void this.#send(stale)
    })
  }

  #asked<T>(
    circuits: readonly Circuit[],
    asked: Promise<readonly (T | Error)[]>,
    settle: (replies: readonly (T | Error)[]) => void,
  ): Promise<void> {
    const askedAt = this.#scheduler.now()
    for (const { shared } of circuits) if (shared !== undefined) shared.asking += 1
    return this.#tracked(
      asked.then((replies) => {
        for (const { shared } of circuits) if (shared !== undefined) shared.asking -= 1
        const ms = this.#scheduler.now() - askedAt
        if (replies.every(isError)) this.#strain.failed(ms)
        else this.#strain.answered(ms)
        settle(replies)
      }),
    )
  }

  /** Work that `close` has to wait for. */
  track(task: Promise<void>): void {
    void this.#tracked(task)
  }

  #tracked(task: Promise<void>): Promise<void> {
    const tracked: Promise<void> = task.finally(() => this.#sending.delete(tracked))
    this.#sending.add(tracked)
    return tracked
  }

  /** Resolves when everything that was sent has been answered, or has failed. */
  async settled(): Promise<void> {
    await Promise.all(this.#sending)
  }

  /** Replies that still come change nothing. */
  close(): void {
    this.#closed = true
  }

  /** The server answered: its view counts unless a newer one has come meanwhile. */
  onReply(sent: Sent, reply: ReplyHead): void {
    const { circuit } = sent
    const { shared, machine } = circuit
    if (shared === undefined || this.#closed) return
    // from replies alone: anyone may publish on the channel
    this.#timed = true
    this.#registry.offset = reply.serverMs - this.#scheduler.now()
    shared.reached = true
    this.#answered(circuit, shared)
    if (replaces(reply, sent)) this.apply(circuit, reply.view)
    else if (reply.view.epoch === machine.epoch) shared.sharedEpoch = reply.view.epoch
  }

  /** The server knows the circuit, and is in reach for it. */
  #answered(circuit: Circuit, shared: SharedState): void {
    shared.syncedAt = this.#scheduler.now()
    if (!shared.degraded) return
    shared.comeBack(circuit.policy, shared.syncedAt)
    if (this.#health.recovered(circuit)) this.#host.recovered()
  }

  onFailure(circuit: Circuit, error: Error): void {
    if (this.#closed) return
    this.degrade(circuit, error)
    if (this.#registry.find(circuit.key) !== circuit) return
    this.#health.failed(circuit, error)
    this.#host.failed()
  }

  /** Takes over a view of the server. */
  apply(circuit: Circuit, view: View): void {
    if (circuit.shared !== undefined) {
      circuit.shared.sharedEpoch = view.epoch
      circuit.shared.overruled = false
    }
    circuit.apply(view, this.#scheduler.now())
  }

  /** The circuit goes on by itself. */
  degrade(circuit: Circuit, error?: Error): void {
    const { shared } = circuit
    if (shared === undefined) return
    const { degraded } = shared
    shared.leave(error instanceof SlowStoreError, this.#scheduler.now())
    if (!degraded) circuit.takeOver()
  }

  #onFlushed(sent: SentFlush, reply: Timed<FlushReply>): void {
    const { circuit } = sent
    const { shared } = circuit
    if (shared === undefined || this.#closed) return
    const first = !shared.reached
    this.onReply(sent, reply)
    if (circuit.machine.epoch !== reply.view.epoch || !circuit.passing) return
    // a server that lost the circuit has lost its window too
    if (reply.status !== 'same') shared.endCalm()
    const now = this.#scheduler.now()
    const here = sumsOf(circuit.machine.window, now)
    // a reply that was overtaken by a later one does not know what that one was told
    if (shared.isLatest(sent.order)) shared.learn(reply, here.total, circuit.policy, now, this.#strain.times)
    if (!first) return
    // what came before the first view was never sent
    shared.pending = here
    if (shared.hasPending) this.#host.hasUnsent(circuit)
  }
}

/**
 * A request that offers the local view, so that a server that lost the circuit gets it back. A view that was made here
 * while the server was out of reach is kept back where a quorum is asked for: one process must not decide for all.
 */
export function makeRequest(circuit: Circuit, now: number): Sent {
  const { machine, policy, shared } = circuit
  const madeHere = shared !== undefined && machine.epoch !== shared.sharedEpoch
  const offered = !madeHere || policy.quorum === 1 || shared.overruled
  const request = { id: shared?.id ?? '', policy, view: offered ? circuit.view(now) : unknownView }
  return { circuit, epoch: machine.epoch, request }
}

/**
 * Whether the server's view replaces the local one: when it is newer, or when the server did not take what was offered
 * and nothing has happened here since. Any other reply was overtaken by a push.
 */
function replaces(reply: ReplyHead, sent: Sent): boolean {
  const { epoch } = sent.circuit.machine
  if (reply.view.epoch > epoch) return true
  const overruled = reply.status === 'refused' || sent.request.view.epoch !== sent.epoch
  return overruled && epoch === sent.epoch && reply.view.epoch !== epoch
}

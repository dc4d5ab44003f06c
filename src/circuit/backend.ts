import type {
  AcquireReply,
  ControlAction,
  ControlReply,
  FlushReply,
  ProbeResult,
  ReportReply,
  View,
} from './machine.ts'
import type { CircuitPolicy } from './policy.ts'
import type { Counts } from './window.ts'

/** Every operation carries the caller's view, so that a server that lost the circuit gets it back. */
export interface CircuitRequest {
  readonly id: string
  readonly policy: CircuitPolicy
  readonly view: View
}

/** A reply, with the server's time when it was made, in milliseconds since 1970. */
export type Timed<T> = T & { readonly serverMs: number }

/**
 * Port: the machine that processes share. Each operation is one atomic step of `machine.ts` on the server, by the
 * server's clock. An operation that fails may have happened or not. All of them settle within a bounded time.
 */
export interface CircuitBackend {
  /** The name of a key's circuit on the server. */
  idOf(key: string): string
  /** One reply or error per request, in order. Never rejects. */
  flush(
    requests: readonly (CircuitRequest & { readonly counts: Counts })[],
  ): Promise<(Timed<FlushReply> | Error)[]>
  acquire(request: CircuitRequest, token: string, renew: boolean): Promise<Timed<AcquireReply>>
  report(request: CircuitRequest, token: string, result: ProbeResult): Promise<Timed<ReportReply>>
  control(request: CircuitRequest, action: ControlAction): Promise<Timed<ControlReply>>
}

/** Time and chance, passed in. */
export interface Scheduler {
  /** Milliseconds on a steady clock. */
  now(): number
  /** Runs `task` once, later; must not keep the process alive. Returns what cancels it. */
  after(ms: number, task: () => void): () => void
  random(): number
}

export const systemScheduler: Scheduler = {
  now: () => performance.now(),
  after(ms, task) {
    const timer = setTimeout(task, ms)
    timer.unref()
    return () => clearTimeout(timer)
  },
  random: Math.random,
}

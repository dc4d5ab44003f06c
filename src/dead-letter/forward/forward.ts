import { resolveOptions } from '../../checks.ts'
import { deadLetterSinkOption, deadLetterStoreOption } from '../../store.ts'
import { Reporter } from '../../telemetry/reporter.ts'
import { type Scheduler, systemScheduler } from '../../time/clock.ts'
import type { DeadLetterSink } from '../store/sink.ts'
import type { DeadLetterStore } from '../store/store.ts'
import { forwardChecks, forwarderChecks, type ForwarderOptions, type ForwardOptions } from './options.ts'
import { Forwarding, type ForwardSummary } from './run.ts'

/**
 * Moves dead letters from a store into a queue, whose consumers send them: each leaves the store when the sink has it, and
 * not before. What a replay has said of it goes along. Any number of processes may do so on one store. An entry comes at
 * least once: after a crash between the two it comes again, under the same id.
 *
 * @returns what was done; a sink that is away ends the run and is in the summary, it is no rejection
 * @throws TypeError, RangeError naming option, bound and value; what the store fails with
 * @example
 * const { forwarded, error } = await forwardDeadLetters(stack.deadLetters, sink, { filter: { integration: 'hubspot' } })
 */
export async function forwardDeadLetters(
  deadLetters: DeadLetterStore,
  sink: DeadLetterSink,
  options: ForwardOptions = {},
): Promise<ForwardSummary> {
  checkBoth(deadLetters, sink)
  return new Forwarding(deadLetters, sink, resolveOptions('forwardDeadLetters', forwardChecks, options)).run()
}

/** Forwards until it is closed. */
export interface Forwarder {
  /** What the last run did; `undefined` before its end. */
  readonly lastRun: ForwardSummary | undefined
  /** Starts a run now, unless one is running, and waits for its end. */
  run(): Promise<ForwardSummary>
  /** Ends it after the batch in hand. Neither the store nor the sink is closed. */
  close(): Promise<void>
}

/**
 * Moves dead letters from a store into a queue again and again until closed, as `forwardDeadLetters` does once. While the
 * sink is away it is tried after waits that grow to 15 s. Does not keep the process alive.
 *
 * @throws TypeError, RangeError naming option, bound and value
 * @example
 * const forwarder = startForwarder(stack.deadLetters, rabbitmqSink(() => amqp.connect(url), { queue: 'dead-letters' }))
 * process.on('SIGTERM', () => void forwarder.close())
 */
export function startForwarder(
  deadLetters: DeadLetterStore,
  sink: DeadLetterSink,
  options: ForwarderOptions = {},
): Forwarder {
  checkBoth(deadLetters, sink)
  const { intervalMs, ...policy } = resolveOptions('startForwarder', forwarderChecks, options)
  const closing = new AbortController()
  const forwarding = new Forwarding(deadLetters, sink, { ...policy, signal: closing.signal })
  return new RunningForwarder(forwarding, closing, intervalMs, new Reporter('forward', policy.logger))
}

function checkBoth(deadLetters: DeadLetterStore, sink: DeadLetterSink): void {
  deadLetterStoreOption('deadLetters', deadLetters)
  deadLetterSinkOption('sink', sink)
  if (sink === deadLetters) {
    throw new TypeError('`sink` must be another place than `deadLetters`, got the same')
  }
}

class RunningForwarder implements Forwarder {
  readonly #forwarding: Forwarding
  readonly #closing: AbortController
  readonly #intervalMs: number
  readonly #reporter: Reporter
  readonly #clock: Scheduler = systemScheduler
  #cancel: (() => void) | undefined
  #running: Promise<ForwardSummary> | undefined
  #lastRun: ForwardSummary | undefined

  constructor(forwarding: Forwarding, closing: AbortController, intervalMs: number, reporter: Reporter) {
    this.#forwarding = forwarding
    this.#closing = closing
    this.#intervalMs = intervalMs
    this.#reporter = reporter
    this.#schedule()
  }

  get lastRun(): ForwardSummary | undefined {
    return this.#lastRun
  }

  run(): Promise<ForwardSummary> {
    this.#cancel?.()
    this.#running ??= this.#once().finally(() => {
      this.#running = undefined
      this.#schedule()
    })
    return this.#running
  }

  async close(): Promise<void> {
    this.#closing.abort()
    this.#cancel?.()
    // who started the run has its failure
    await this.#running?.catch(() => undefined)
  }

  async #once(): Promise<ForwardSummary> {
    const summary = await this.#forwarding.run()
    this.#lastRun = summary
    return summary
  }

  #schedule(): void {
    if (this.#closing.signal.aborted) return
    this.#cancel?.()
    const interval = this.#intervalMs * (0.5 + this.#clock.random())
    this.#cancel = this.#clock.after(
      Math.max(interval, this.#forwarding.waitMs),
      () => void this.run().catch((error: unknown) => this.#reporter.hookFailed('startForwarder', error)),
      { unref: true },
    )
  }
}

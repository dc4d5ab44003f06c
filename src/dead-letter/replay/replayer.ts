import { type Checks, duration, onlyOf, optional } from '../../checks.ts'
import { Reporter } from '../../telemetry/reporter.ts'
import { type Scheduler, systemScheduler } from '../../time/clock.ts'
import { isOutboxInUse, onOutboxInUse } from '../outbox/in-use.ts'
import type { DeadLetterStore } from '../store/store.ts'
import type { ReplayOptions } from './options.ts'
import type { ReplayOrigins } from './origins.ts'
import { type CheckedReplayOptions, replayChecks, type ReplayPlan } from './plan.ts'
import { originsOf, runPlan } from './replay.ts'
import type { ReplaySummary } from './summary.ts'

export interface ReplayerOptions extends Omit<ReplayOptions, 'ids' | 'dryRun' | 'signal'> {
  /**
   * The wait between two runs, in milliseconds, spread by half in both directions. Default 30,000; 500 in a process that has
   * an outbox, and with the filter `reason: 'outbox'`. A run comes sooner where a provider wants to be asked again, or one
   * that was down is to be tried, before it would be time.
   */
  intervalMs?: number
}

export interface Replayer {
  /** What the last run did; `undefined` before its end. */
  readonly lastRun: ReplaySummary | undefined
  /** Starts a run now, unless one is running, and waits for its end. */
  run(): Promise<ReplaySummary>
  /** Ends it: nothing more is sent, what is being sent is finished and recorded. */
  close(): Promise<void>
}

type OfOneRun = 'ids' | 'dryRun' | 'signal'

export const replayerChecks: Checks<
  ReplayerOptions & { [Name in OfOneRun]?: undefined },
  CheckedReplayOptions & { readonly intervalMs: number | undefined }
> = {
  ...replayChecks,
  ids: onlyOf('replayDeadLetters', undefined),
  dryRun: onlyOf('replayDeadLetters', false),
  signal: onlyOf('replayDeadLetters', undefined),
  intervalMs: optional(duration({ min: 1 })),
}

const INTERVAL_MS = 30_000
/** Of calls that were written to be sent at once. */
const OUTBOX_INTERVAL_MS = 500

/** How much later than an origin may be asked again a run comes, in milliseconds: what is due by then is due by the store's clock. */
const WAKE_AFTER_MS = 25

/** Runs again and again, until it is closed. */
export class RunningReplayer implements Replayer {
  readonly #store: DeadLetterStore
  readonly #plan: ReplayPlan
  readonly #intervalMs: number | undefined
  readonly #clock: Scheduler
  readonly #origins: ReplayOrigins
  readonly #reporter: Reporter
  readonly #closing = new AbortController()
  #cancel: (() => void) | undefined
  #running: Promise<ReplaySummary> | undefined
  #lastRun: ReplaySummary | undefined
  #hasCountedOthers = false
  readonly #forgetOutbox: () => void

  constructor(
    store: DeadLetterStore,
    plan: ReplayPlan,
    intervalMs: number | undefined,
    clock: Scheduler = systemScheduler,
    origins: ReplayOrigins = originsOf(store, plan),
  ) {
    this.#store = store
    this.#plan = { ...plan, signal: this.#closing.signal }
    this.#intervalMs = intervalMs
    this.#clock = clock
    this.#origins = origins
    this.#reporter = new Reporter('replay', plan.logger)
    this.#forgetOutbox = onOutboxInUse(() => {
      if (this.#running === undefined) this.#schedule()
    })
    this.#schedule()
  }

  get lastRun(): ReplaySummary | undefined {
    return this.#lastRun
  }

  run(): Promise<ReplaySummary> {
    return this.#run(false)
  }

  async close(): Promise<void> {
    this.#closing.abort()
    this.#forgetOutbox()
    this.#cancel?.()
    // who started the run has its failure
    await this.#running?.catch(() => undefined)
  }

  #run(scheduled: boolean): Promise<ReplaySummary> {
    this.#cancel?.()
    this.#running ??= this.#once(scheduled).finally(() => {
      this.#running = undefined
      this.#schedule()
    })
    return this.#running
  }

  async #once(scheduled: boolean): Promise<ReplaySummary> {
    const summary = await runPlan(this.#store, this.#plan, {
      clock: this.#clock,
      origins: this.#origins,
      scheduled,
      countsOthers: !this.#hasCountedOthers,
    })
    this.#hasCountedOthers = true
    this.#lastRun = summary
    return summary
  }

  #schedule(): void {
    if (this.#closing.signal.aborted) return
    this.#cancel?.()
    const waits = this.#plan.origins
      .map((origin) => this.#origins.leftAlone(origin))
      .filter((alone) => alone !== undefined)
      .map(({ afterMs }) => Math.ceil(afterMs) + WAKE_AFTER_MS)
    const forOutbox = isOutboxInUse() || this.#plan.filter.reason === 'outbox'
    const intervalMs = this.#intervalMs ?? (forOutbox ? OUTBOX_INTERVAL_MS : INTERVAL_MS)
    const interval = intervalMs * (0.5 + this.#clock.random())
    this.#cancel = this.#clock.after(
      Math.min(interval, ...waits),
      () => void this.#run(true).catch((error: unknown) => this.#reporter.hookFailed('startReplayer', error)),
    )
  }
}

import { type Checks, duration, onlyOf, optional } from '../../checks.ts'
import { Reporter } from '../../telemetry/reporter.ts'
import { type Scheduler, systemScheduler } from '../../time/clock.ts'
import { isOutboxInUse, onOutboxInUse } from '../outbox/in-use.ts'
import { onOutboxAdd } from '../outbox/wake.ts'
import type { DeadLetterStore } from '../store/store.ts'
import type { ReplayOptions } from './options.ts'
import type { ReplayOrigins } from './origins.ts'
import { type CheckedReplayOptions, replayChecks, type ReplayPlan } from './plan.ts'
import { originsOf, runPlan } from './replay.ts'
import type { ReplaySummary } from './summary.ts'

/** Options of `startReplayer`. */
export interface ReplayerOptions extends Omit<ReplayOptions, 'ids' | 'dryRun' | 'signal'> {
  /**
   * The wait between two runs, in milliseconds, spread by half in both directions. Default 30,000; 500 in a process that has
   * an outbox, and with the filter `reason: 'outbox'`. A run comes sooner where a provider wants to be asked again, or one
   * that was down is to be tried, before it would be time.
   */
  intervalMs?: number | undefined
}

/** Replays on a schedule, until it is closed. */
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

/** How often is looked for entries that no run sends, in milliseconds: a look reads what waits. */
const COUNT_OTHERS_MS = 10 * 60_000

/** Of many processes that hear at once of calls in an outbox not all are to look in the same moment, in milliseconds. */
const WAKE_WITHIN_MS = 20

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
  #countOthersAt = -Infinity
  /** Calls were added to an outbox since the last run began: the next one is near. */
  #woken = false
  readonly #forgetUse: () => void
  #forgetAdds: (() => void) | undefined

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
    this.#forgetUse = onOutboxInUse(() => {
      this.#hearAdds()
      if (this.#running === undefined) this.#schedule()
    })
    this.#hearAdds()
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
    this.#forgetUse()
    this.#forgetAdds?.()
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

  /** For calls that were written to be sent at once. */
  get #isForOutbox(): boolean {
    const { reason } = this.#plan.filter
    return reason === 'outbox' || (reason === undefined && isOutboxInUse())
  }

  #hearAdds(): void {
    if (!this.#isForOutbox || this.#closing.signal.aborted) return
    this.#forgetAdds ??= onOutboxAdd(this.#store, ({ byOthers }) => {
      if (this.#woken) return
      this.#woken = true
      if (this.#running === undefined) this.#schedule(byOthers ? this.#clock.random() * WAKE_WITHIN_MS : 0)
    })
  }

  async #once(scheduled: boolean): Promise<ReplaySummary> {
    this.#woken = false
    const countsOthers = this.#clock.now() >= this.#countOthersAt
    if (countsOthers) this.#countOthersAt = this.#clock.now() + COUNT_OTHERS_MS
    const summary = await runPlan(this.#store, this.#plan, {
      clock: this.#clock,
      origins: this.#origins,
      scheduled,
      countsOthers,
    })
    this.#tellOthers(Object.keys(summary.otherOrigins))
    this.#lastRun = summary
    return summary
  }

  /** Once: they lie there for ever, and nothing else would say why. With a logger the run has told it. */
  #tellOthers(origins: readonly string[]): void {
    if (origins.length === 0) return
    this.#countOthersAt = Infinity
    if (this.#plan.logger !== undefined) return
    process.emitWarning(
      `startReplayer: due dead letters are for ${origins.join(', ')}, not in \`allowedOrigins\`: they are never sent`,
      'ResilienceWarning',
    )
  }

  #schedule(wakeMs = this.#woken ? 0 : Infinity): void {
    if (this.#closing.signal.aborted) return
    this.#cancel?.()
    const waits = this.#plan.origins
      .map((origin) => this.#origins.leftAlone(origin))
      .filter((alone) => alone !== undefined)
      .map(({ afterMs }) => Math.ceil(afterMs) + WAKE_AFTER_MS)
    const intervalMs = this.#intervalMs ?? (this.#isForOutbox ? OUTBOX_INTERVAL_MS : INTERVAL_MS)
    const interval = intervalMs * (0.5 + this.#clock.random())
    this.#cancel = this.#clock.after(
      Math.min(interval, wakeMs, ...waits),
      () => void this.#run(true).catch((error: unknown) => this.#reporter.hookFailed('startReplayer', error)),
    )
  }
}

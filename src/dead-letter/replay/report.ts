import { isError } from '../../errors.ts'
import { channels } from '../../telemetry/channels.ts'
import { Reporter } from '../../telemetry/reporter.ts'
import type { CorruptDeadLetter } from '../store/store.ts'
import type { ReplayOptions, ReplayProgress } from './options.ts'
import type { ReplayPlan } from './plan.ts'
import type { SetAside } from './set-aside.ts'
import { emptySummary, type ReplaySummary } from './summary.ts'

type Shown = { id: string; integration: string; request: { method: string; url: string } }
type Details = {
  statusCode?: number | undefined
  reason?: ReplayProgress['reason']
  message?: string | undefined
  error?: unknown
}

const counters = {
  done: 'done',
  failed: 'failed',
  later: 'later',
  refused: 'refused',
  quarantined: 'quarantined',
  'in-doubt': 'inDoubt',
  discarded: 'discarded',
  skipped: 'skipped',
  corrupt: 'corrupt',
} as const

/** Counts what a run does, and reports each entry to `onProgress`, and, unless it only rehearses, to the log and the events. */
export class ReplayReport {
  readonly summary = emptySummary()
  readonly #onProgress: ReplayOptions['onProgress']
  readonly #dryRun: boolean
  readonly #reporter: Reporter
  readonly #startedAt = performance.now()

  constructor(plan: Pick<ReplayPlan, 'onProgress' | 'logger' | 'dryRun'>) {
    this.#onProgress = plan.onProgress
    this.#dryRun = plan.dryRun
    this.#reporter = new Reporter('replay', plan.logger)
  }

  addEntry(
    entry: Shown,
    outcome: ReplayProgress['outcome'],
    { statusCode, reason, message, error }: Details = {},
  ): void {
    if (outcome !== 'would-send') this.summary[counters[outcome]]++
    const { id, integration, request } = entry
    const shown = { id, method: request.method, url: request.url, outcome, statusCode }
    // what was rehearsed has not happened
    if (!this.#dryRun && this.#reporter.hears(channels.replayed)) {
      this.#reporter.replayed({
        ...shown,
        integration,
        reason,
        message,
        ...(isError(error) ? { error } : {}),
      })
    }
    if (this.#onProgress !== undefined) {
      const progress = { ...shown, integration, reason, message, summary: { ...this.summary } }
      this.#reporter.guard('onProgress', undefined, this.#onProgress, progress)
    }
  }

  addCorrupt(entries: readonly CorruptDeadLetter[] = []): void {
    for (const { id, message } of entries) {
      this.addEntry({ id, integration: '', request: { method: '', url: '' } }, 'corrupt', { message })
    }
  }

  settleFailed(error: unknown): void {
    this.#reporter.hookFailed('deadLetters.settle', error)
  }

  /** Due entries by their origin, to which nothing may be sent: told, since an origin may be mistyped. */
  otherOrigins(counts: Readonly<Record<string, number>>): void {
    this.summary.otherOrigins = counts
    if (Object.keys(counts).length > 0) this.#reporter.dueElsewhere(counts)
  }

  /** What waits for a person: told, since nothing else of a run would. */
  setAside(counts: SetAside): void {
    this.summary.setAside = counts
    if (counts.inDoubt + counts.quarantined > 0) this.#reporter.setAside(counts)
  }

  finish(cancelled: boolean): ReplaySummary {
    this.summary.cancelled = cancelled
    this.summary.durationMs = Math.round(performance.now() - this.#startedAt)
    return this.summary
  }
}

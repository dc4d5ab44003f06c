import { channels } from '../telemetry/channels.ts'
import { Reporter } from '../telemetry/reporter.ts'
import type { ReplayPlan, ReplayProgress } from './replay-options.ts'
import { emptySummary, type ReplaySummary } from './replay-summary.ts'
import type { CorruptDeadLetter } from './store.ts'

type Shown = { id: string; name: string; request: { method: string; url: string } }
type Details = { statusCode?: number | undefined; message?: string | undefined; error?: unknown }

const counters = {
  done: 'done',
  failed: 'failed',
  later: 'later',
  refused: 'refused',
  quarantined: 'quarantined',
  in_doubt: 'inDoubt',
  skipped: 'skipped',
  corrupt: 'corrupt',
} as const

/** Counts what a run does, and tells who listens. */
export class ReplayReport {
  readonly summary = emptySummary()
  readonly #onProgress: ReplayPlan['onProgress']
  readonly #reporter: Reporter
  readonly #startedAt = performance.now()

  constructor(plan: Pick<ReplayPlan, 'onProgress' | 'logger'>) {
    this.#onProgress = plan.onProgress
    this.#reporter = new Reporter('replay', plan.logger)
  }

  tell(entry: Shown, outcome: ReplayProgress['outcome'], { statusCode, message, error }: Details = {}): void {
    if (outcome !== 'would_send') this.summary[counters[outcome]]++
    const { id, name, request } = entry
    const shown = { id, method: request.method, url: request.url, outcome, statusCode }
    if (outcome !== 'would_send' && this.#reporter.hears(channels.replayed)) {
      this.#reporter.replayed({ ...shown, integration: name, ...(error instanceof Error ? { error } : {}) })
    }
    try {
      this.#onProgress?.({ ...shown, name, message, summary: { ...this.summary } })
    } catch (failure) {
      this.#reporter.hookFailed('onProgress', failure)
    }
  }

  corrupt(entries: readonly CorruptDeadLetter[] = []): void {
    for (const { id, message } of entries) {
      this.tell({ id, name: '', request: { method: '', url: '' } }, 'corrupt', { message })
    }
  }

  cannotTell(error: unknown): void {
    this.#reporter.hookFailed('deadLetters.settle', error)
  }

  finish(cancelled: boolean): ReplaySummary {
    this.summary.cancelled = cancelled
    this.summary.durationMs = Math.round(performance.now() - this.#startedAt)
    return this.summary
  }
}

import type { ReplayProgress } from '../../dead-letter/replay/options.ts'
import type { ReplaySummary } from '../../dead-letter/replay/summary.ts'
import { redactUrl } from '../../http/secrets/redacted-url.ts'
import { addSummary } from '../../operations/replay/summary.ts'
import { summaryLines } from './replay-summary.ts'
import type { Terminal } from './terminal.ts'
import { durationText } from './time-text.ts'

interface OutputOptions {
  readonly json?: boolean
  readonly dryRun?: boolean
}

/** What a replay says while it runs, and at its end. */
export class ReplayOutput {
  readonly #terminal: Terminal
  readonly #json: boolean
  readonly #dryRun: boolean
  readonly #expected: number | undefined
  readonly #startedAt = performance.now()
  /** Entries that had their turn. */
  readonly #seen = new Set<string>()

  constructor(terminal: Terminal, { json, dryRun }: OutputOptions, expected: number | undefined) {
    this.#terminal = terminal
    this.#json = json === true
    this.#dryRun = dryRun === true
    this.#expected = expected
  }

  tell({ summary, ...rest }: ReplayProgress, before: ReplaySummary): void {
    const entry = { ...rest, url: redactUrl(rest.url) }
    this.#seen.add(entry.id)
    if (this.#json) this.#terminal.json({ type: 'entry', ...entry })
    else if (this.#dryRun) this.#terminal.line(entryLine(entry))
    else if (entry.outcome !== 'done') this.#terminal.note(entryLine(entry))
    this.#terminal.status(this.#progress(addSummary({ ...before }, summary)))
  }

  #progress({ claimed, done, failed, later }: ReplaySummary): string {
    const turn = this.#seen.size
    const of =
      this.#expected === undefined ? `${turn} of at least ${claimed}` : `${turn} of ${this.#expected}`
    return `${bar(turn, this.#expected)}${of}: ${done} done, ${failed} failed, ${later} later, ${durationText(performance.now() - this.#startedAt)}`
  }

  end(summary: ReplaySummary): void {
    if (this.#json) this.#terminal.json({ type: 'summary', dryRun: this.#dryRun, ...summary })
    else this.#terminal.lines(summaryLines(summary, this.#dryRun))
  }
}

function entryLine(entry: Omit<ReplayProgress, 'summary'>): string {
  const { id, outcome, method, url, statusCode, message } = entry
  const why = message ?? (statusCode === undefined ? '' : String(statusCode))
  return `${outcome.padEnd(11)}  ${id}  ${method} ${url}${why === '' ? '' : `  ${why}`}`
}

const BAR = 20

function bar(done: number, expected: number | undefined): string {
  if (expected === undefined || expected === 0) return ''
  const filled = Math.min(BAR, Math.floor((done / expected) * BAR))
  return `[${'#'.repeat(filled)}${' '.repeat(BAR - filled)}] `
}

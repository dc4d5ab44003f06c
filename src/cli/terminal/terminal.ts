import { once } from 'node:events'
import { createInterface } from 'node:readline/promises'
import { CliError, exitCodes } from '../cli-error.ts'
import { safeJson, terminalSafe } from './terminal-safe.ts'

type Output = NodeJS.WriteStream

/** How often the progress line is written anew, in milliseconds. */
const STATUS_MS = 100
const CLEAR_LINE = '\r\u001b[K'

/**
 * The only place that writes. Every line goes through `terminalSafe`, so that nothing that came from a store reaches
 * the terminal as anything but text.
 */
export class Terminal {
  readonly #stdout: Output
  readonly #stderr: Output
  readonly #stdin: NodeJS.ReadStream
  #statusAt = 0
  #statusShown = false

  constructor(streams: { stdout: Output; stderr: Output; stdin: NodeJS.ReadStream } = process) {
    this.#stdout = streams.stdout
    this.#stderr = streams.stderr
    this.#stdin = streams.stdin
  }

  /** Cells in a line of the output; endless where it goes to a file or a pipe. */
  get width(): number {
    return this.#stdout.isTTY ? this.#stdout.columns || 80 : Infinity
  }

  /** A person can answer. */
  get interactive(): boolean {
    return this.#stdin.isTTY === true && this.#stderr.isTTY === true
  }

  get showsStatus(): boolean {
    return this.#stderr.isTTY === true
  }

  line(text: string): void {
    this.clearStatus()
    this.#stdout.write(`${terminalSafe(text)}\n`)
  }

  lines(texts: readonly string[]): void {
    for (const text of texts) this.line(text)
  }

  /** One value as one line of JSON. */
  json(value: unknown): void {
    this.clearStatus()
    this.#stdout.write(`${safeJson(value)}\n`)
  }

  /** For people, on stderr: it does not disturb what a program reads. */
  note(text: string): void {
    this.clearStatus()
    this.#stderr.write(`${terminalSafe(text)}\n`)
  }

  /** Progress, on a terminal only, each over the one before. */
  status(text: string): void {
    const now = performance.now()
    if (!this.showsStatus || now - this.#statusAt < STATUS_MS) return
    this.#statusAt = now
    this.#statusShown = true
    this.#stderr.write(`${CLEAR_LINE}${terminalSafe(text).slice(0, (this.#stderr.columns || 80) - 1)}`)
  }

  clearStatus(): void {
    if (!this.#statusShown) return
    this.#statusShown = false
    this.#stderr.write(CLEAR_LINE)
  }

  /**
   * Waits until the reader has taken what was written: a long export does not pile up in memory. When the reader went
   * away, the `error` event of the stream says so.
   */
  async drained(): Promise<void> {
    if (this.#stdout.writableNeedDrain) await once(this.#stdout, 'drain').catch(() => undefined)
  }

  /**
   * Asks before something is destroyed. `yes` answers in advance; without it and without a terminal it is refused.
   * @throws {CliError} when the answer is no, or nobody can answer
   */
  async confirm(question: string, yes: boolean): Promise<void> {
    if (yes) return
    if (!this.interactive) throw new CliError(`${question} Nobody can answer here: repeat it with --yes.`)
    this.clearStatus()
    const prompt = createInterface({ input: this.#stdin, output: this.#stderr })
    try {
      const answer = await prompt.question(`${terminalSafe(question)} [y/N] `)
      if (!/^y(es)?$/i.test(answer.trim())) throw new CliError('Nothing was changed.')
    } catch (error) {
      if ((error as Error).name !== 'AbortError') throw error
      // Ctrl-C or Ctrl-D instead of an answer
      this.note('')
      throw new CliError('Nothing was changed.', exitCodes.interrupted)
    } finally {
      prompt.close()
    }
  }
}

import { styleText } from 'node:util'
import {
  channels,
  type CircuitChangedEvent,
  type DeadLetterCapturedEvent,
  type RetryScheduledEvent,
} from '../../src/telemetry/channels.ts'

type Colour = Parameters<typeof styleText>[0]

/** Lines of one kind shown in a chapter before the rest is only counted, unless there is news in them. */
const SHOWN = 2

/** `styleText` asks the stream: no colour into a pipe, or with NO_COLOR. */
export function paint(colour: Colour, text: string): string {
  return styleText(colour, text, { stream: process.stdout })
}

/** Prints what the package's diagnostics channels tell, chapter by chapter; repeats are summed up. */
export class Timeline {
  /** Calls that were sent more than once, by their label. */
  readonly retried = new Set<string>()
  readonly #startedAt = performance.now()
  /** Waits that were not shown. */
  #retries: number[] = []
  #letters = new Map<string, number>()
  /** What was shown in this chapter: how many lines of a kind, and which news. */
  #shown = { retries: 0, letters: 0, news: new Set<string>() }

  constructor() {
    channels.retryScheduled.subscribe((event) => this.#retry(event))
    channels.circuitChanged.subscribe((event) => this.#circuit(event))
    channels.deadLetterCaptured.subscribe((event) => this.#letter(event))
    channels.deadLetterDropped.subscribe((event) => this.#say('dropped', 'red', event.reason))
  }

  chapter(time: string, title: string): void {
    this.#print(`\n${paint('bold', `${time}  ${title}`)}`)
  }

  /** Ends a chapter with what was only counted, and a sentence of its own. */
  sum(sentence: string): void {
    const more = this.#retries
    if (more.length > 0) {
      const [least, most] = [Math.min(...more), Math.max(...more)].map(Math.round)
      const range = least === most ? `${least}` : `${least} to ${most}`
      this.#say('retry', 'yellow', `… and ${more.length} more, after ${range} ms`)
    }
    const letters = [...this.#letters.values()].reduce((sum, count) => sum + count, 0)
    if (letters > this.#shown.letters) {
      const reasons = [...this.#letters].map(([reason, count]) => `${count} ${reason}`).join(', ')
      this.#say('dead letter', 'magenta', `… ${reasons} in all`)
    }
    this.#retries = []
    this.#letters = new Map()
    this.#shown = { retries: 0, letters: 0, news: new Set() }
    this.note(sentence)
  }

  note(sentence: string): void {
    this.#print(`          ${sentence}`)
  }

  #retry(event: RetryScheduledEvent): void {
    const call = event.labels?.['call']
    if (call !== undefined) this.retried.add(call)
    const why = String(event.statusCode ?? event.code ?? 'failed')
    if (!this.#isNews(why) && this.#shown.retries >= SHOWN) {
      this.#retries.push(event.delayMs)
      return
    }
    this.#shown.retries += 1
    const asked = event.retryAfterMs === undefined ? '' : ` (Retry-After: ${event.retryAfterMs / 1000})`
    const next = `attempt ${event.attempt + 1} in ${Math.round(event.delayMs)} ms`
    this.#say('retry', 'yellow', `${path(event)}  ${why}${asked} → ${next}`)
  }

  #circuit({ to, from, retryAfterMs }: CircuitChangedEvent): void {
    const wait = retryAfterMs === undefined ? '' : `, a probe may go in ${Math.round(retryAfterMs)} ms`
    const colour = to === 'open' ? 'red' : to === 'closed' ? 'green' : 'cyan'
    this.#say('circuit', colour, `${from} → ${to}${wait}`)
  }

  #letter(event: DeadLetterCapturedEvent): void {
    this.#letters.set(event.reason, (this.#letters.get(event.reason) ?? 0) + 1)
    const news = this.#isNews(`${event.reason}${event.attempts === 0 ? ', never sent' : ''}`)
    if (!news && this.#shown.letters >= SHOWN) return
    this.#shown.letters += 1
    const attempts = event.attempts === 1 ? '1 attempt' : `${event.attempts} attempts`
    this.#say('dead letter', 'magenta', `${path(event)}  ${event.reason}, ${attempts}, ${event.delivery}`)
  }

  #isNews(what: string): boolean {
    const before = this.#shown.news.size
    return this.#shown.news.add(what).size > before
  }

  #say(what: string, colour: Colour, text: string): void {
    const seconds = ((performance.now() - this.#startedAt) / 1000).toFixed(2).padStart(5)
    this.#print(`  ${paint('dim', `${seconds} s`)} ${paint(colour, what.padEnd(11))} ${text}`)
  }

  #print(line: string): void {
    process.stdout.write(`${line}\n`)
  }
}

function path({ method, url }: { method: string; url: string }): string {
  return `${method.padEnd(4)} ${new URL(url).pathname}`
}

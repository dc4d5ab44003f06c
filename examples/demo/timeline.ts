import { styleText } from 'node:util'
import {
  channels,
  type CircuitChangedEvent,
  type DeadLetterCapturedEvent,
  type RetryScheduledEvent,
} from '../../src/telemetry/channels.ts'

type Colour = Parameters<typeof styleText>[0]

/** Lines of one kind shown in a chapter before the rest is only counted. */
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
  #retries: number[] = []
  #letters = new Map<string, number>()
  #lettersShown = 0

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
    const more = this.#retries.slice(SHOWN)
    if (more.length > 0) {
      const [least, most] = [Math.min(...more), Math.max(...more)].map(Math.round)
      const range = least === most ? `${least}` : `${least} to ${most}`
      this.#say('retry', 'yellow', `… and ${more.length} more, after ${range} ms`)
    }
    const letters = [...this.#letters.values()].reduce((sum, count) => sum + count, 0)
    if (letters > this.#lettersShown) {
      const reasons = [...this.#letters].map(([reason, count]) => `${count} ${reason}`).join(', ')
      this.#say('dead letter', 'magenta', `… ${letters} in all: ${reasons}`)
    }
    this.#retries = []
    this.#letters = new Map()
    this.#lettersShown = 0
    this.note(sentence)
  }

  note(sentence: string): void {
    this.#print(`          ${sentence}`)
  }

  #retry(event: RetryScheduledEvent): void {
    const call = event.labels?.['call']
    if (call !== undefined) this.retried.add(call)
    this.#retries.push(event.delayMs)
    if (this.#retries.length > SHOWN) return
    const why = event.statusCode ?? event.code ?? 'failed'
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
    if (this.#lettersShown >= SHOWN) return
    this.#lettersShown += 1
    const attempts = event.attempts === 1 ? '1 attempt' : `${event.attempts} attempts`
    this.#say('dead letter', 'magenta', `${path(event)}  ${event.reason}, ${attempts}, ${event.delivery}`)
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

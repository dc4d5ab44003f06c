import type { ReplayOutcome } from './replay-decision.ts'

/** Requests that in a row could not be sent, or were limited, before an origin is left alone for this run. */
const MAX_MISSES = 5

/** Which origins are still worth asking in a run: with one that is away, the rest of its entries would fare no better. */
export class ReplayOrigins {
  readonly #misses: Map<string, number>
  readonly #away = new Set<string>()

  constructor(origins: readonly string[]) {
    this.#misses = new Map(origins.map((origin) => [origin, 0]))
  }

  /** Those that may still have entries. */
  get left(): string[] {
    return [...this.#misses.keys()]
  }

  isAway(origin: string): boolean {
    return this.#away.has(origin)
  }

  /** No more entries to be had. */
  end(origin: string): void {
    this.#misses.delete(origin)
  }

  /** An open circuit at once, connections that fail and 429s in a row: the origin is left alone. */
  watch(origin: string, outcome: ReplayOutcome): void {
    const missed =
      (outcome.kind === 'error' && outcome.delivery === 'not_sent') ||
      (outcome.kind === 'response' && outcome.statusCode === 429)
    const misses = missed ? (this.#misses.get(origin) ?? 0) + 1 : 0
    if (this.#misses.has(origin)) this.#misses.set(origin, misses)
    if (outcome.kind !== 'open' && misses < MAX_MISSES) return
    this.#away.add(origin)
    this.#misses.delete(origin)
  }
}

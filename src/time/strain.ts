import type { Scheduler } from './clock.ts'

/** The longest pause is so many times the one that was asked for. */
const MOST = 16
/** What is left of that after an exchange that was quick: who eases off at once presses too hard at once. */
const LEFT = 0.9

/**
 * How hard one of many clients may press a server that all share. The pauses between its exchanges double with each one
 * that takes longer than it should, answered or given up, and become shorter again with each that is answered sooner: so a
 * server that is asked for more than it can is asked for less, by all alike, and its queue does not grow until commands fail.
 */
export class Strain {
  readonly #scheduler: Scheduler
  readonly #slowMs: number
  #factor = 1

  /** @param slowMs an exchange that takes longer says that the server does not keep up */
  constructor(scheduler: Scheduler, slowMs: number) {
    this.#scheduler = scheduler
    this.#slowMs = slowMs
  }

  /** The server answered after so long. */
  answered(ms: number): void {
    if (ms > this.#slowMs) this.#double()
    else this.#factor = Math.max(1, this.#factor * LEFT)
  }

  /** It was given up after so long. What fails at once has cost the server nothing. */
  failed(ms: number): void {
    if (ms > this.#slowMs) this.#double()
  }

  /** The server is back, for all of its clients at once: none of them presses it before it has seen how quick it is. */
  expectMany(): void {
    this.#factor = Math.max(this.#factor, MOST / 2)
  }

  /** The server keeps up, as far as is known. */
  get isEased(): boolean {
    return this.#factor === 1
  }

  /** So many times as long as usual may take what is not urgent. */
  get times(): number {
    return this.#factor
  }

  /**
   * How long to wait where `ms` would do: spread by chance, unless all is well.
   * @param mostMs no longer than this, but for what chance adds: many that wait for the same time come at the same time again
   */
  pauseMs(ms: number, mostMs = Infinity): number {
    return this.isEased ? ms : Math.min(ms * this.#factor, mostMs) * (0.5 + this.#scheduler.random())
  }

  #double(): void {
    this.#factor = Math.min(MOST, this.#factor * 2)
  }
}

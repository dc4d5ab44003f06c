import type { LimitRule, Wanted } from '../limit.ts'
import type { LimitReply, LimitRequest } from './backend.ts'
import { isAmple, type Rhythm, rhythmOf, stockWanted, UseRate } from './demand.ts'
import type { Permits } from './permits.ts'
import type { Tally } from './tally.ts'

const nobody: Wanted = { all: 0, first: 0 }

/** What a process wants of a limit that it shares: permits for calls that wait, and a stock of them ahead of use. */
export class Wants {
  /** What calls in the line wait for. */
  live = nobody
  background = nobody
  /** How often it is worth an exchange. */
  rhythm: Rhythm
  /** Others wait: nobody is to hold permits ahead of use. */
  scarce = false
  /** It waits and got nothing: what it holds is too little, and of use to others. */
  starved = false
  readonly #rule: LimitRule
  readonly #tally: Tally
  readonly #rate: UseRate
  #ample = false

  constructor(rule: LimitRule, tally: Tally, now: number) {
    this.#rule = rule
    this.#tally = tally
    this.#rate = new UseRate(now)
    this.rhythm = rhythmOf(false, rule.windowMs)
  }

  /** Calls wait. */
  get waits(): boolean {
    return this.live.all + this.background.all > 0
  }

  /** Only such calls wait that never hurry. */
  get isPatient(): boolean {
    return this.live.all === 0 && this.background.all > 0
  }

  /** Looks how fast units are used. */
  measure(now: number): void {
    this.#rate.measure(this.#tally.used, now)
  }

  /** Units that calls wait for beyond what is held. */
  missing({ live, background }: Permits): number {
    return Math.max(this.live.all - live, this.background.all - background)
  }

  /** Permits to hold ahead of use. */
  stock(now: number): number {
    return stockWanted({
      perSecond: this.#rate.perSecond,
      idleMs: now - this.#tally.usedAt,
      scarce: this.scarce,
      ample: this.#ample,
      limit: this.#rule.limit,
    })
  }

  /** What an exchange asks for. */
  told(
    { live, background }: Permits,
    now: number,
  ): Pick<LimitRequest, 'live' | 'background' | 'liveLeast' | 'backgroundLeast' | 'spare' | 'leaseMs'> {
    return {
      live: Math.max(0, this.live.all - live),
      background: Math.max(0, this.background.all - background),
      liveLeast: Math.max(1, this.live.first - live),
      backgroundLeast: Math.max(1, this.background.first - background),
      spare: this.stock(now),
      leaseMs: this.rhythm.leaseMs,
    }
  }

  /**
   * The server says how much is left.
   * @param held permits that are held by now
   */
  heard(asked: LimitRequest, { live, background, free, scarce }: LimitReply, held: number): void {
    this.scarce = scarce
    this.#ample = !scarce && isAmple(free, this.#rule.limit)
    this.rhythm = rhythmOf(this.#ample, this.#rule.windowMs)
    this.starved = asked.live + asked.background > 0 && live + background === 0 && held > 0
  }

  /** The server says nothing, or grants nothing: whatever is left, it is not ample. */
  unheard(): void {
    this.#ample = false
    this.rhythm = rhythmOf(false, this.#rule.windowMs)
  }
}

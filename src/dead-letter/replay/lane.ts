import type { Scheduler } from '../../time/clock.ts'
import { Pace } from '../../time/pace.ts'
import { sleep } from '../../time/sleep.ts'
import type { ClaimedDeadLetter } from '../record/record.ts'
import type { OriginHold, ReplayOrigins } from './origins.ts'
import type { ReplayPlan } from './plan.ts'

/** Given back in one go, of an origin that wants to be asked later. */
const BATCH = 100

/** Given back per run at most: the others stay due, and nobody of this process sends them before their time. */
const MAX_GIVEN_BACK = 1000

/** What a lane does with entries, and where it has them from. */
export interface LaneWork {
  /** Claims at most `limit` entries of the origin. */
  claim(origin: string, limit: number): Promise<ClaimedDeadLetter[]>
  /** `taken`: the server has it. `end`: nothing more is to be sent to the origin for now. */
  turn(entry: ClaimedDeadLetter): Promise<'taken' | 'end' | undefined>
  /** Nothing was sent, since the origin is left alone or the run is over: `undefined`. */
  giveBack(entry: ClaimedDeadLetter, alone: OriginHold | undefined): Promise<void>
}

/** The entries of one origin, at its own rate: what one provider does to its lane holds up no other. */
export class Lane {
  readonly #origin: string
  readonly #plan: ReplayPlan
  readonly #origins: ReplayOrigins
  readonly #clock: Scheduler
  readonly #signal: AbortSignal
  readonly #work: LaneWork
  readonly #pace: Pace
  /** The longest wait that the provider may ask for and the lane sits out, in milliseconds. */
  readonly #maxPauseMs: number
  #held: ClaimedDeadLetter[] = []
  #claiming: Promise<boolean> | undefined
  /** Entries that are being replayed, and workers that wait until one of them is done. */
  #turns = 0
  readonly #waiting: (() => void)[] = []
  /** Something was taken since the lane last paused: it is worth a wait. */
  #progressed = false
  #pausing: Promise<boolean> | undefined
  #over = false
  #givenBack = 0

  constructor(
    origin: string,
    plan: ReplayPlan,
    {
      origins,
      clock,
      signal,
      maxPauseMs,
    }: { origins: ReplayOrigins; clock: Scheduler; signal: AbortSignal; maxPauseMs: number },
    work: LaneWork,
  ) {
    this.#origin = origin
    this.#plan = plan
    this.#origins = origins
    this.#clock = clock
    this.#signal = signal
    this.#work = work
    this.#maxPauseMs = maxPauseMs
    this.#pace = new Pace(plan.ratePerSecond, clock)
  }

  /** Its turn in this run is over. */
  get over(): boolean {
    return this.#over
  }

  /** Until nothing of it is due, or it is to be left alone. Rejects when the store fails: what is held lapses by itself. */
  async run(): Promise<void> {
    const workers = Array.from({ length: this.#plan.concurrency }, () => this.#workOff())
    const results = await Promise.allSettled(workers)
    const failed = results.find((result) => result.status === 'rejected')
    if (failed !== undefined) throw failed.reason
    await this.#letGo()
  }

  async #workOff(): Promise<void> {
    for (;;) {
      const entry = await this.#next()
      if (entry === undefined) return
      try {
        await this.#turn(entry)
      } finally {
        this.#turns--
        for (const wake of this.#waiting.splice(0)) wake()
      }
    }
  }

  async #turn(entry: ClaimedDeadLetter): Promise<void> {
    const mine = await this.#pace.turn(this.#signal)
    const alone = this.#origins.leftAlone(this.#origin)
    if (!mine || alone !== undefined || this.#over) return this.#work.giveBack(entry, alone)
    const end = await this.#work.turn(entry)
    if (end === 'taken') this.#progressed = true
    // what the provider asks for may be worth a wait
    else if (end === 'end' && !isAsked(this.#origins.leftAlone(this.#origin))) this.#over = true
  }

  /** One claim at a time, of no more than can be sent soon: a lease that is held too long lapses. */
  async #next(): Promise<ClaimedDeadLetter | undefined> {
    for (;;) {
      if (this.#signal.aborted || this.#over) return undefined
      const alone = this.#origins.leftAlone(this.#origin)
      if (alone !== undefined) {
        if (!(await this.#mayGoOnAfter(alone))) return undefined
        continue
      }
      const suspect = this.#origins.isSuspect(this.#origin)
      if (!suspect || this.#turns === 0) {
        const entry = this.#held.shift()
        if (entry !== undefined) {
          // at once: the next worker must see it
          this.#turns++
          return entry
        }
        this.#claiming ??= this.#claim(suspect ? 1 : this.#plan.concurrency).finally(
          () => (this.#claiming = undefined),
        )
        if ((await this.#claiming) || this.#held.length > 0) continue
        if (this.#turns === 0) return undefined
      }
      // the end of a turn may free the follower of its ordering key, bring its own entry back, or say that it is up
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }

  async #claim(limit: number): Promise<boolean> {
    const items = await this.#work.claim(this.#origin, limit)
    this.#held.push(...items)
    return items.length > 0
  }

  /** Sits out a short wait that the provider asked for, if the lane gets on at all. */
  #mayGoOnAfter(alone: OriginHold): Promise<boolean> {
    this.#pausing ??= this.#pauseOrEnd(alone).finally(() => (this.#pausing = undefined))
    return this.#pausing
  }

  async #pauseOrEnd(alone: OriginHold): Promise<boolean> {
    if (!isAsked(alone) || !this.#progressed || alone.afterMs > this.#maxPauseMs) {
      this.#over = true
      return false
    }
    this.#progressed = false
    // a lease would lapse meanwhile
    for (const entry of this.#held.splice(0)) await this.#work.giveBack(entry, alone)
    // timers may fire a millisecond early
    return sleep(this.#clock, Math.ceil(alone.afterMs) + 1, this.#signal)
  }

  /** Gives back what is held; of a provider that wants to be asked later what else is due, for other processes, too. */
  async #letGo(): Promise<void> {
    const alone = this.#origins.leftAlone(this.#origin)
    for (const entry of this.#held.splice(0)) await this.#work.giveBack(entry, alone)
    if (!isAsked(alone)) return
    while (!this.#signal.aborted && this.#givenBack < MAX_GIVEN_BACK) {
      const due = await this.#work.claim(this.#origin, BATCH)
      if (due.length === 0) return
      this.#givenBack += due.length
      for (const entry of due) {
        const still = this.#origins.leftAlone(this.#origin)
        await this.#work.giveBack(entry, still)
      }
    }
  }
}

function isAsked(alone: OriginHold | undefined): boolean {
  return alone !== undefined && alone.askedMs > 0
}

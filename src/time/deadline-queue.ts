import { AsyncResource } from 'node:async_hooks'
import { setImmediate, setTimeout } from 'node:timers'
import { MAX_TIMER_MS } from '../options.ts'

/** What ends at a time. It knows its place in the queue that it waits in, so that waiting allocates nothing. */
export interface Deadline {
  /** `NOT_WAITING` before it is set, when it was cleared, and when it has expired. Only `Deadlines` changes it. */
  place: number
  /** Called once, unless it was cleared before. */
  expire(): void
}

export const NOT_WAITING = -1

/** How long the process is still held after the last deadline of a queue was cleared, in milliseconds. */
const LET_GO_MS = 10
/** Places of a queue that is new: a power of two, as they are always. */
const PLACES = 16
/** Places that are kept while nothing waits. */
const MAX_IDLE_PLACES = 1_024

// Node's own, at load: a deadline in a queue lives by the steady clock, which no test's fake timers move.
const startTimer = setTimeout
/** Runs what must not come before what has arrived while the process could not run. */
export const afterPoll = setImmediate

/** The timers of all must not keep the async context of whoever was first. */
const root = new AsyncResource('undici-resilience.deadlines', { requireManualDestroy: true })

/**
 * All deadlines of one duration. They expire in the order in which they were set, so one timer, for the first of them,
 * does for all. It is not stopped when that one is cleared: it goes off, finds which is first by then, and waits for it.
 *
 * A ring and not a linked list: a link from what is old to what is young costs the collector as much as all else here.
 */
export class DeadlineQueue {
  readonly #ms: number
  /** From `first` up to before `next`; what was cleared between is `undefined`, the first never is. */
  #waits: (Deadline | undefined)[] = new Array<undefined>(PLACES).fill(undefined)
  #times = new Float64Array(PLACES)
  #mask = PLACES - 1
  #first = 0
  #next = 0
  #waiting = 0
  #timer: NodeJS.Timeout | undefined
  #checking = false
  /** The timer holds the process. */
  #holds = false
  #lettingGo = false

  constructor(ms: number) {
    this.#ms = ms
  }

  add(deadline: Deadline, now: number): void {
    const place = this.#next
    const next = (place + 1) & this.#mask
    if (next === this.#first) {
      // where little was cleared, twice as many places
      this.#moveTo(this.#waits.length * (this.#waiting * 2 < this.#waits.length ? 1 : 2))
      this.add(deadline, now)
      return
    }
    this.#waits[place] = deadline
    this.#times[place] = now + this.#ms
    deadline.place = place
    this.#next = next
    // What waits holds the process: with no socket yet, nothing else does.
    if (this.#waiting++ === 0 && !(this.#holds && this.#timer !== undefined)) this.#hold(now)
  }

  remove(deadline: Deadline): void {
    const { place } = deadline
    deadline.place = NOT_WAITING
    this.#waits[place] = undefined
    if (place === this.#first) this.#findFirst()
    if (--this.#waiting === 0 && !this.#lettingGo) this.#letGoSoon()
  }

  #findFirst(): void {
    let first = (this.#first + 1) & this.#mask
    while (first !== this.#next && this.#waits[first] === undefined) first = (first + 1) & this.#mask
    this.#first = first
  }

  /** Leaves out what was cleared. */
  #moveTo(size: number): void {
    const old = this.#waits
    const oldTimes = this.#times
    const waits = new Array<Deadline | undefined>(size).fill(undefined)
    const times = new Float64Array(size)
    let next = 0
    for (let place = this.#first; place !== this.#next; place = (place + 1) & this.#mask) {
      const deadline = old[place]
      if (deadline === undefined) continue
      waits[next] = deadline
      times[next] = oldTimes[place]!
      deadline.place = next++
    }
    this.#waits = waits
    this.#times = times
    this.#mask = size - 1
    this.#first = 0
    this.#next = next
  }

  #hold(now: number): void {
    // a check that is under way arms the timer when it is through
    if (this.#timer === undefined && !this.#checking) this.#arm(now)
    else if (!this.#holds) this.#timer?.ref()
    this.#holds = true
  }

  /** Not at once: `ref` and `unref` for each call would cost more than all else here. */
  #letGoSoon(): void {
    this.#lettingGo = true
    // unref'd: it comes as long as the timer holds the process, and is not needed after
    root.runInAsyncScope(() => startTimer(this.#letGo, LET_GO_MS).unref())
  }

  readonly #letGo = (): void => {
    this.#lettingGo = false
    if (this.#waiting > 0) return
    this.#holds = false
    this.#timer?.unref()
    if (this.#waits.length > MAX_IDLE_PLACES) this.#moveTo(PLACES)
  }

  #arm(now: number): void {
    // timers may fire one millisecond early
    const wait = Math.min(MAX_TIMER_MS, Math.max(1, Math.ceil(this.#times[this.#first]! - now) + 1))
    this.#timer = root.runInAsyncScope(() => startTimer(this.#fire, wait))
  }

  readonly #fire = (): void => {
    this.#timer = undefined
    if (this.#waiting === 0) {
      this.#holds = false
      return
    }
    const now = performance.now()
    if (this.#times[this.#first]! > now) this.#arm(now)
    // What came while the process could not run (stopped, thawed, busy) is read first: one poll phase.
    else if (!this.#checking) {
      this.#checking = true
      root.runInAsyncScope(() => afterPoll(this.#check))
    }
  }

  readonly #check = (): void => {
    const now = performance.now()
    let first: Deadline | undefined
    try {
      while ((first = this.#waits[this.#first]) !== undefined && this.#times[this.#first]! <= now) {
        this.remove(first)
        first.expire()
      }
    } finally {
      // also after a throw of a caller's handler: the others still wait
      this.#checking = false
      if (this.#waiting > 0 && this.#timer === undefined) this.#arm(performance.now())
    }
  }
}

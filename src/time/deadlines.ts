import { hasFakeTimers } from './clock.ts'
import { afterPoll, type Deadline, DeadlineQueue, NOT_WAITING } from './deadline-queue.ts'

export { type Deadline, NOT_WAITING } from './deadline-queue.ts'

/** Durations that share a timer; what goes beyond has a timer of its own. */
const MAX_QUEUES = 32
/** The place of a deadline with a timer of its own. */
const APART = -2

const queues = new Map<number, DeadlineQueue>()
const ownTimers = new Map<Deadline, NodeJS.Timeout>()

/** Sets deadlines of one duration, for whoever asks for it again and again. */
export class Deadlines {
  readonly ms: number
  readonly #queue: DeadlineQueue | undefined

  /**
   * @param ms at least 1
   * @param own for a duration that is asked for once: it shares a queue that is there, and makes none
   */
  constructor(ms: number, own = false) {
    this.ms = ms
    let queue = queues.get(ms)
    if (queue === undefined && !own && queues.size < MAX_QUEUES) {
      queue = new DeadlineQueue(ms)
      queues.set(ms, queue)
    }
    this.#queue = queue
  }

  /** @param now `performance.now()` milliseconds, read in this turn of the event loop */
  set(deadline: Deadline, now: number): void {
    // under a test's fake timers time passes as the test says
    if (this.#queue !== undefined && !hasFakeTimers()) this.#queue.add(deadline, now)
    else this.#setApart(deadline)
  }

  /** Nothing where it does not wait. */
  clear(deadline: Deadline): void {
    if (deadline.place >= 0) this.#queue?.remove(deadline)
    else if (deadline.place === APART) clearApart(deadline)
  }

  #setApart(deadline: Deadline): void {
    const expire = (): void => {
      // cleared meanwhile, or set again
      if (ownTimers.get(deadline) !== timer) return
      clearApart(deadline)
      deadline.expire()
    }
    const timer = setTimeout(() => void (hasFakeTimers() ? expire() : afterPoll(expire)), this.ms)
    deadline.place = APART
    ownTimers.set(deadline, timer)
  }
}

function clearApart(deadline: Deadline): void {
  deadline.place = NOT_WAITING
  clearTimeout(ownTimers.get(deadline))
  ownTimers.delete(deadline)
}

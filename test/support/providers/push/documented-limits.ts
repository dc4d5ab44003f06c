/** A limit of a provider, in a window that slides. */
export interface Window {
  readonly max: number
  readonly windowMs: number
}

/** Counts what came in a sliding window, and says no when it is full. */
class SlidingWindow {
  readonly #limit: Window
  #arrivals: number[] = []

  constructor(limit: Window) {
    this.#limit = limit
  }

  /** How long the window is full, in milliseconds; 0 where there is room. */
  fullFor(now: number): number {
    const { max, windowMs } = this.#limit
    this.#arrivals = this.#arrivals.filter((at) => now - at < windowMs)
    return this.#arrivals.length < max ? 0 : this.#arrivals[0]! + windowMs - now
  }

  take(now: number): void {
    this.#arrivals.push(now)
  }
}

/** By how much the most requests of any window are over what it may hold; 0 where none is. */
export function overIn({ max, windowMs }: Window, times: readonly number[]): number {
  const sorted = times.toSorted((a, b) => a - b)
  let over = 0
  let first = 0
  for (const [at, time] of sorted.entries()) {
    while (time - sorted[first]! >= windowMs) first += 1
    over = Math.max(over, at - first + 1 - max)
  }
  return over
}

/** The limits of one provider together: rates, requests at once, and what locks an account. */
export class DocumentedLimits {
  readonly #windows: readonly SlidingWindow[]
  readonly #lock: SlidingWindow | undefined
  readonly #atOnce: number
  /** How often the account was locked. */
  locks = 0

  constructor({ windows = [], atOnce = Infinity, lock }: Limits) {
    this.#windows = windows.map((limit) => new SlidingWindow(limit))
    this.#lock = lock === undefined ? undefined : new SlidingWindow(lock)
    this.#atOnce = atOnce
  }

  /** How long a request that comes now is refused, in milliseconds; `undefined` where it may pass. */
  refusal(now: number, inFlight: number): number | undefined {
    if ((this.#lock?.fullFor(now) ?? 0) > 0) this.locks += 1
    this.#lock?.take(now)
    if (inFlight > this.#atOnce) return 100
    const wait = Math.max(0, ...this.#windows.map((window) => window.fullFor(now)))
    if (wait > 0) return wait
    for (const window of this.#windows) window.take(now)
    return undefined
  }
}

export interface Limits {
  windows?: readonly Window[]
  atOnce?: number
  /** More than this, and the account is locked. */
  lock?: Window
}

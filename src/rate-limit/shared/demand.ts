/** Ahead of use a process holds what it uses in so many seconds. */
const AHEAD_SECONDS = 0.5
/** The same where there is ample: then nobody misses what is held. */
const AMPLE_AHEAD_SECONDS = 2.5
/** After so long without use it holds nothing ahead, in milliseconds. */
const IDLE_MS = 10_000

/** Use is told after so long, and sooner with a request for permits, in milliseconds. */
const REPORT_MS = 100
const AMPLE_REPORT_MS = 1_000
/** Permits are valid for so long after they were asked for; a process that lives renews them. In milliseconds. */
const LEASE_MS = 2_000
const AMPLE_LEASE_MS = 10_000

/** How often a process talks to the store about a limit, in milliseconds. */
export interface Rhythm {
  readonly reportMs: number
  readonly leaseMs: number
}

/**
 * Whether all of a limit is far from used, so that it does not matter what is held unused, or told late: late tellers only
 * make the window longer.
 * @param free units that nobody has used or holds
 */
export function isAmple(free: number, limit: number): boolean {
  return free > limit / 2
}

/** Where there is ample a process says little: one exchange a second while it has calls, one in four while it holds some. */
export function rhythmOf(ample: boolean, windowMs: number): Rhythm {
  return ample
    ? { reportMs: Math.min(AMPLE_REPORT_MS, windowMs / 10), leaseMs: Math.min(AMPLE_LEASE_MS, windowMs / 2) }
    : { reportMs: Math.min(REPORT_MS, windowMs / 50), leaseMs: Math.min(LEASE_MS, windowMs / 2) }
}

/** What decides how many permits a process wants to hold ahead of use. */
interface StockFacts {
  /** Units used of late, per second. */
  readonly perSecond: number
  /** Since the last use, in milliseconds. */
  readonly idleMs: number
  /** Others wait. */
  readonly scarce: boolean
  readonly ample: boolean
  readonly limit: number
}

/** Permits to hold ahead of use: then calls go without asking. Where others wait, or nothing is used, none. */
export function stockWanted({ perSecond, idleMs, scarce, ample, limit }: StockFacts): number {
  if (scarce || idleMs > IDLE_MS) return 0
  const seconds = ample ? AMPLE_AHEAD_SECONDS : AHEAD_SECONDS
  return Math.max(1, Math.min(Math.ceil(limit / 5), Math.ceil(perSecond * seconds)))
}
/** With fewer permits than this it asks for more before calls have to wait. */
export function lowWater(stock: number): number {
  return Math.ceil(stock / 2)
}

/** What is left to a process that cannot reach the store: an even share. */
export function shareOf(limit: number, processes: number): number {
  return Math.max(1, Math.floor(limit / Math.max(1, processes)))
}

/** How fast units are used, over about a second; looked at when there is an exchange, and not at each call. */
export class UseRate {
  perSecond = 0
  #used = 0
  #at: number

  constructor(now: number) {
    this.#at = now
  }

  /** @param used units since the beginning */
  measure(used: number, now: number): void {
    const seconds = (now - this.#at) / 1000
    if (seconds < 0.05) return
    this.perSecond += (Math.max(0, used - this.#used) / seconds - this.perSecond) * Math.min(1, seconds)
    this.#used = used
    this.#at = now
  }
}

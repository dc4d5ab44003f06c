import { performance as steady } from 'node:perf_hooks'
import { setTimeout as nodeSetTimeout } from 'node:timers'

// Not the imported name itself: a test may have the imports of all modules follow its fakes.
const ownSetTimeout = nodeSetTimeout

/** A test has put its own timers in place of Node's, and with them mostly its own clock: time passes as it says. */
export function hasFakeTimers(): boolean {
  return setTimeout !== ownSetTimeout
}

/**
 * `performance.now()` milliseconds, for what each call asks. The global is a getter, which takes as long as the look at the
 * clock itself; a test's fake timers may put another clock there.
 */
export function steadyNow(): number {
  return hasFakeTimers() ? performance.now() : steady.now()
}

/** Time and chance, passed in: tests hand in their own. */
export interface Scheduler {
  /** Milliseconds on a steady clock, which no step of the wall clock moves. */
  now(): number
  /**
   * Runs `task` once, after `ms` milliseconds.
   * @param options.unref lets the process end first, when nothing else keeps it alive. Default false.
   * @returns what cancels it
   */
  after(ms: number, task: () => void, options?: { readonly unref?: boolean }): () => void
  /** In [0, 1). */
  random(): number
}

/** The clock and the timers of this process. */
export const systemScheduler: Scheduler = {
  now: steadyNow,
  after(ms, task, options) {
    const timer = setTimeout(task, ms)
    if (options?.unref === true) timer.unref()
    return () => clearTimeout(timer)
  },
  random: () => Math.random(),
}

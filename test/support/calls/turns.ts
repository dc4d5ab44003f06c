/**
 * How many turns of the event loop it takes until `promise` settles. For what has to happen at once, where milliseconds
 * would measure the machine: a process that stands still turns nothing, and a timer of a few milliseconds takes thousands.
 */
export async function turnsUntil(promise: Promise<unknown>): Promise<number> {
  let settled = false
  const end = (): void => void (settled = true)
  promise.then(end, end)
  let turns = 0
  for (; !settled; turns++) await new Promise<void>((resolve) => setImmediate(resolve))
  return turns
}

const TICK_MS = 5

/**
 * Starts a clock that stands still with the process: for a bound on what the process waits for, which a machine that stalls
 * cannot break.
 * @returns what stops it, and tells the milliseconds in which the process could run
 */
export function startRunClock(): () => number {
  let ran = 0
  let last = performance.now()
  const tick = (): void => {
    const now = performance.now()
    ran += Math.min(now - last, 2 * TICK_MS)
    last = now
  }
  const timer = setInterval(tick, TICK_MS)
  return () => {
    clearInterval(timer)
    tick()
    return ran
  }
}

/** What a promise that did not settle in time is given up with. */
export class TimeLimitError extends Error {
  override readonly name = 'TimeLimitError'
}

interface TimeLimitOptions {
  /** Lets the process end while the promise is waited for, when nothing else keeps it alive. Default false. */
  readonly unref?: boolean
}

/** A timer this late, in milliseconds, says that the process could not run. */
const STALL_MS = 20

/**
 * Calls `late` with how late it is after `ms`, unless it is stopped. What has arrived while the process could not run
 * (busy, stopped, thawed) is read first: one poll phase.
 * @returns what stops it
 */
function startLimit(ms: number, late: (lateMs: number) => void, unref = false): () => void {
  const due = performance.now() + ms
  let check: NodeJS.Immediate | undefined
  const timer = setTimeout(() => {
    const lateMs = performance.now() - due
    // never unref'd: one that is waits for the next event of the process, however late that comes
    check = setImmediate(() => late(lateMs))
  }, ms)
  if (unref) timer.unref()
  return () => {
    clearTimeout(timer)
    clearImmediate(check)
  }
}

/**
 * Settles as `promise` does, or rejects after `ms`, though the promise may never settle; what it then still does is
 * ignored. Time in which this process stood still is not held against the other side, which may have stood still with it
 * (a machine that was paused or is starved): after a stall the limit begins anew, once.
 * @throws {TimeLimitError} `<what> took longer than <ms> ms`
 */
export async function withTimeLimit<T>(
  promise: Promise<T>,
  ms: number,
  what: string,
  { unref = false }: TimeLimitOptions = {},
): Promise<T> {
  const { promise: limit, reject } = Promise.withResolvers<never>()
  const late = (): void => reject(new TimeLimitError(`${what} took longer than ${ms} ms`))
  const lateOrStalled = (lateMs: number): void => {
    if (lateMs > STALL_MS) stop = startLimit(ms, late, unref)
    else late()
  }
  let stop = startLimit(ms, lateOrStalled, unref)
  try {
    return await Promise.race([promise, limit])
  } finally {
    stop()
  }
}

/** Waits for `promise`, but no longer than `ms`: resolves to whether it is done, and rejects as it does. */
export async function isDoneWithin(promise: Promise<unknown>, ms: number): Promise<boolean> {
  const { promise: limit, resolve } = Promise.withResolvers<boolean>()
  const stop = startLimit(ms, () => resolve(false))
  try {
    return await Promise.race([promise.then(() => true), limit])
  } finally {
    stop()
  }
}

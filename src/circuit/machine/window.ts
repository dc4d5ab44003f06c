/** The window is a ring of this many buckets: what is forgotten at once is a tenth of it. */
export const WINDOW_BUCKETS = 10

/** What a window or a batch of results adds up to. */
export interface Counts {
  total: number
  failed: number
  slow: number
}

/** Numbers per slot: bucket number, total, failed, slow. */
const WIDTH = 4
/** The bucket number of a slot that nothing was counted in. */
const EMPTY = -1

/**
 * Results of the last `WINDOW_BUCKETS * bucketMs` milliseconds, as plain data. The Lua scripts keep the same ring in a
 * hash: bucket `n = floor(now / bucketMs)` lives in slot `n % WINDOW_BUCKETS` and counts while
 * `n > current - WINDOW_BUCKETS`.
 */
export interface CountWindow {
  readonly slots: number[]
  bucketMs: number
  /** The bucket that was counted in last, so that one comparison finds it again: from, to, and where its slot begins. */
  from: number
  to: number
  at: number
}

export function createWindow(bucketMs: number): CountWindow {
  const slots: number[] = []
  for (let slot = 0; slot < WINDOW_BUCKETS; slot++) slots.push(EMPTY, 0, 0, 0)
  return { slots, bucketMs, from: 0, to: 0, at: 0 }
}

/** One success: the hot path. */
export function countSuccess(window: CountWindow, now: number): void {
  if (now < window.from || now >= window.to) findBucket(window, now)
  window.slots[window.at + 1]! += 1
}

export function addCounts(window: CountWindow, now: number, { total, failed, slow }: Counts): void {
  if (now < window.from || now >= window.to) findBucket(window, now)
  const { slots, at } = window
  slots[at + 1]! += total
  slots[at + 2]! += failed
  slots[at + 3]! += slow
}

export function sumsOf({ slots, bucketMs }: CountWindow, now: number): Counts {
  const current = Math.floor(now / bucketMs)
  const sums = { total: 0, failed: 0, slow: 0 }
  for (let at = 0; at < slots.length; at += WIDTH) {
    const bucket = slots[at]!
    if (bucket <= current - WINDOW_BUCKETS || bucket > current) continue
    sums.total += slots[at + 1]!
    sums.failed += slots[at + 2]!
    sums.slow += slots[at + 3]!
  }
  return sums
}

export function clearWindow(window: CountWindow): void {
  const { slots } = window
  for (let at = 0; at < slots.length; at++) slots[at] = at % WIDTH === 0 ? EMPTY : 0
  leaveBucket(window)
}

/** A caller with another window measures in buckets of another length: what it did not count itself is old to it. */
export function setBucketMs(window: CountWindow, bucketMs: number): void {
  if (window.bucketMs === bucketMs) return
  window.bucketMs = bucketMs
  leaveBucket(window)
}

function leaveBucket(window: CountWindow): void {
  window.from = 0
  window.to = 0
}

function findBucket(window: CountWindow, now: number): void {
  const { slots, bucketMs } = window
  const bucket = Math.floor(now / bucketMs)
  const at = (((bucket % WINDOW_BUCKETS) + WINDOW_BUCKETS) % WINDOW_BUCKETS) * WIDTH
  window.from = bucket * bucketMs
  window.to = window.from + bucketMs
  window.at = at
  if (slots[at] === bucket) return
  slots[at] = bucket
  slots.fill(0, at + 1, at + WIDTH)
}

/** A slot that holds something, as it is stored: bucket number, total, failed, slow. */
export type StoredSlot = readonly [bucket: number, total: number, failed: number, slow: number]

export function slotsOf({ slots }: CountWindow): StoredSlot[] {
  const stored: StoredSlot[] = []
  for (let at = 0; at < slots.length; at += WIDTH) {
    if (slots[at] !== EMPTY) stored.push([slots[at]!, slots[at + 1]!, slots[at + 2]!, slots[at + 3]!])
  }
  return stored
}

export function restoreSlot({ slots }: CountWindow, slot: StoredSlot): void {
  slots.splice((slot[0] % WINDOW_BUCKETS) * WIDTH, WIDTH, ...slot)
}

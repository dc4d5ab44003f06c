import { randomFillSync } from 'node:crypto'

const ID_BYTES = 8
/** Asking the system for a few bytes costs as much as for a few thousand. */
const pool = Buffer.alloc(ID_BYTES * 512)
let used = pool.byteLength
let lastMs = 0
let counter = 0

/**
 * A UUIDv7: sorts by time, and within one process strictly by the order in which the ids were made, also when the
 * clock stands still or goes back. The order of ids is the order of an ordering key's entries.
 */
export function deadLetterId(now: number = Date.now()): string {
  if (used === pool.byteLength) {
    randomFillSync(pool)
    used = 0
  }
  const random = pool.subarray(used, (used += ID_BYTES))
  if (now > lastMs) {
    lastMs = now
    // starts low, so that thousands of ids fit in one millisecond before the next one is borrowed
    counter = (random[0]! << 2) | (random[1]! & 3)
  } else if (++counter > 0xfff) {
    lastMs++
    counter = 0
  }
  const time = lastMs.toString(16).padStart(12, '0')
  const tail = random.toString('hex')
  const variant = ((random[0]! & 0x3f) | 0x80).toString(16)
  return `${time.slice(0, 8)}-${time.slice(8)}-7${counter.toString(16).padStart(3, '0')}-${variant}${tail.slice(2, 4)}-${tail.slice(4)}`
}

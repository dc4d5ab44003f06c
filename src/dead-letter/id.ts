import { randomBytes, randomFillSync } from 'node:crypto'

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
  return `${placeOf(lastMs, counter)}-${tailOf(random)}`
}

const uuidv7 = /^([0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3})-/i

/**
 * Another id for a copy that takes the record's place: entries with an ordering key are sent in the order of their ids,
 * so it sorts between the same neighbours.
 */
export function replacementId({
  id,
  timestamp,
}: {
  readonly id: string
  readonly timestamp: number
}): string {
  return `${uuidv7.exec(id)?.[1] ?? placeOf(timestamp, 0)}-${tailOf(randomBytes(ID_BYTES))}`
}

/** What ids sort by: 48 bits of milliseconds and 12 of a counter. */
function placeOf(ms: number, count: number): string {
  const time = ms.toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${count.toString(16).padStart(3, '0')}`
}

function tailOf(random: Buffer): string {
  const tail = random.toString('hex')
  const variant = ((random[0]! & 0x3f) | 0x80).toString(16)
  return `${variant}${tail.slice(2, 4)}-${tail.slice(4)}`
}

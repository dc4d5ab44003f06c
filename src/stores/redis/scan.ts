import type { Redis } from 'ioredis'

/** Keys that one step of a scan looks at: the server stops for a few milliseconds at most. */
const SCAN_COUNT = 1_000

/** The keys of one server that a pattern fits, step by step. A key may come twice. */
export async function* scanKeys(server: Redis, pattern: string): AsyncGenerator<string[]> {
  let cursor = '0'
  do {
    const [next, keys] = await server.scan(cursor, 'MATCH', pattern, 'COUNT', SCAN_COUNT)
    cursor = next
    if (keys.length > 0) yield keys
  } while (cursor !== '0')
}

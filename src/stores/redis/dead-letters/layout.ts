import { keyPrefixOf, type RedisClient } from '../connection.ts'

/** Changed when scripts of two releases would not understand each other's keys. */
const VERSION = 1

/** In the order in which every script takes them; what is in them, lua/common.lua says. */
interface DeadLetterKeys {
  readonly payloads: string
  readonly states: string
  readonly all: string
  readonly due: string
  readonly leases: string
  readonly totals: string
  readonly tombstones: string
  readonly orders: string
  readonly evictable: string
}

/**
 * One hash tag: on a cluster all of it lies on one node, and one script may touch it all.
 * @param prefix of `redisStore`; the client's own `keyPrefix` comes before it
 */
export function deadLetterKeys(client: RedisClient, prefix: string): DeadLetterKeys {
  const base = `${keyPrefixOf(client)}${prefix}:${VERSION}:{dead-letters}:`
  return {
    payloads: `${base}payloads`,
    states: `${base}states`,
    all: `${base}all`,
    due: `${base}due`,
    leases: `${base}leases`,
    totals: `${base}totals`,
    tombstones: `${base}tombstones`,
    orders: `${base}orders`,
    evictable: `${base}evictable`,
  }
}

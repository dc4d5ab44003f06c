import { shown } from '../../options.ts'
import type { RedisClient } from './connection.ts'

/** What tells the clients of the packages `ioredis` and `redis` apart. */
interface ClientFacts {
  duplicate?: unknown
  sendCommand?: unknown
  /** ioredis. */
  status?: unknown
  /** node-redis 4 and 5. */
  isOpen?: unknown
  /** node-redis 3. */
  connected?: unknown
}

/**
 * An ioredis client. One of another package would pass as a Redis that is out of reach for ever.
 * @throws TypeError saying what was meant; no password of an address is shown
 */
export function redisClientOption(name: string, value: unknown): RedisClient {
  const facts = (value ?? {}) as ClientFacts
  if (typeof facts.duplicate === 'function' && typeof facts.status === 'string') return value as RedisClient
  throw new TypeError(`\`${name}\` must be an ioredis client (Redis or Cluster), got ${got(value, facts)}`)
}

function got(value: unknown, { sendCommand, isOpen, connected }: ClientFacts): string {
  if (typeof sendCommand === 'function' && (typeof isOpen === 'boolean' || typeof connected === 'boolean')) {
    return 'one of the package `redis` (node-redis): npm install ioredis, and hand in `new Redis(url)`'
  }
  if (typeof value === 'string' || value instanceof URL) {
    return `a ${value instanceof URL ? 'URL' : 'string'}: hand in \`new Redis(url)\` of ioredis`
  }
  return shown(value)
}

import type { Redis } from 'ioredis'
import { circuitId } from '../stores/redis/circuit-backend.ts'
import { decodeView } from '../stores/redis/circuit-scripts.ts'
import type { RedisClient } from '../stores/redis/connection.ts'
import { serversOf } from './redis-client.ts'

/** A circuit as Redis holds it, whoever uses it. */
export interface SharedCircuit {
  /** Its key; `sha256-...` where the key holds characters that Redis names cannot. */
  readonly key: string
  readonly state: 'closed' | 'open' | 'half-open'
  readonly override: 'isolated' | 'forced-closed' | undefined
  /** Until a probe may go, in milliseconds; 0 unless it is open by itself. */
  readonly retryAfterMs: number
  /** How often in a row it has opened. */
  readonly trips: number
  /** When it last changed, epoch milliseconds by the server's clock. */
  readonly since: number
  /** The process that changed it last. */
  readonly by: string
}

/** Begins the keys of `redisStore`; `1` is the version of their layout. */
export function circuitPrefix(prefix: string): string {
  return `${prefix}:1:`
}

export function circuitChannel(prefix: string, db: number): string {
  return `${circuitPrefix(prefix)}circuits:${db}`
}

/** All circuits in Redis. A scan goes through the whole keyspace in steps; it does not stop the server. */
export async function readCircuits(client: RedisClient, prefix: string): Promise<SharedCircuit[]> {
  const start = `${circuitPrefix(prefix)}{`
  const end = '}:s'
  const pattern = `${start.replace(/[*?[\]\\^]/g, '\\$&')}*${end}`
  const found = new Map<string, SharedCircuit>()
  for (const server of serversOf(client)) {
    let cursor = '0'
    do {
      const [next, keys] = await server.scan(cursor, 'MATCH', pattern, 'COUNT', 1000)
      cursor = next
      const now = keys.length === 0 ? 0 : await nowOf(server)
      for (const key of keys) {
        const id = key.slice(start.length, -end.length)
        const circuit = circuitOf(id, await readState(server, key), now)
        if (circuit !== undefined) found.set(id, circuit)
      }
    } while (cursor !== '0')
  }
  return [...found.values()].sort((a, b) => (a.key < b.key ? -1 : 1))
}

async function readState(server: Redis, key: string): Promise<readonly (string | null)[]> {
  try {
    return await server.hmget(key, 'ep', 'st', 'due', 'n', 'ov', 'by')
  } catch (error) {
    // a key under our name that is no hash is not ours
    if (error instanceof Error && error.message.startsWith('WRONGTYPE')) return []
    throw error
  }
}

async function nowOf(server: Redis): Promise<number> {
  const [seconds, micros] = await server.time()
  return Number(seconds) * 1000 + Number(micros) / 1000
}

/** `undefined` for what no script of ours wrote. */
function circuitOf(
  key: string,
  [epoch, state, due, trips, override, by]: readonly (string | null)[],
  now: number,
): SharedCircuit | undefined {
  const remaining = state === 'o' && override === '-' ? Math.max(0, Math.round(Number(due) - now)) : 0
  const author = by === null || by === undefined || by === '' ? '-' : by
  const sent = decodeView(
    `${epoch} ${state} ${remaining} ${trips} ${override} ${author} ${Math.round(now * 1000)}`,
  )
  return sent === undefined ? undefined : sharedCircuit(key, sent.view)
}

/** What the channel tells: `1 <id> <view>`; `undefined` for anything else. */
export function circuitOfMessage(message: string): SharedCircuit | undefined {
  const [version, id, ...rest] = message.split(' ')
  const sent = version === '1' && id !== undefined ? decodeView(rest.join(' ')) : undefined
  return id === undefined || sent === undefined ? undefined : sharedCircuit(id, sent.view)
}

function sharedCircuit(key: string, view: NonNullable<ReturnType<typeof decodeView>>['view']): SharedCircuit {
  const { state, override, remainingMs, trips, epoch, by } = view
  // an epoch is the server's time in microseconds when the circuit changed
  return { key, state, override, retryAfterMs: remainingMs, trips, since: Math.floor(epoch / 1000), by }
}

/** Whether any process has used the circuit, and Redis still remembers it. */
export async function circuitExists(client: RedisClient, prefix: string, key: string): Promise<boolean> {
  return (await client.exists(`${circuitPrefix(prefix)}{${circuitId(key)}}:s`)) === 1
}

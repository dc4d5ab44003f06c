import { setTimeout as sleep } from 'node:timers/promises'
import { resolveCircuitBreakerOptions } from '../../../src/circuit/options.ts'
import type { CircuitStore, SharedCircuitStore } from '../../../src/circuit/store.ts'
import type { PostgresClient } from '../../../src/stores/postgres/client.ts'
import { postgresStore, type PostgresStoreOptions } from '../../../src/stores/postgres/postgres-store.ts'
import type { RedisClient } from '../../../src/stores/redis/connection.ts'
import { redisStore, type RedisStoreOptions } from '../../../src/stores/redis/redis-store.ts'

/** Waits until transitions made by `from` reach `to` by push: both are connected, `to` is subscribed. */
export async function untilPushed(from: CircuitStore, to: CircuitStore): Promise<void> {
  const key = 'warm-up'
  const { policy } = resolveCircuitBreakerOptions({})
  from.circuit(key, policy)
  to.circuit(key, policy)
  for (const start = Date.now(); Date.now() - start < 10_000;) {
    await from.reset(key)
    const { epoch, degraded } = from.state(key)
    // well below the poll interval, which would bring it too
    for (let waited = 0; waited < 20 && !degraded; waited++) {
      if (to.state(key).epoch === epoch) return
      await sleep(2)
    }
    await sleep(5)
  }
  throw new Error('no transition was pushed within 10 s')
}

let prefixes = 0

/** Two stores as two processes would have them, both connected and subscribed, with keys of their own. */
interface TwoStores {
  readonly store: SharedCircuitStore
  readonly other: SharedCircuitStore
  dispose(): Promise<void>
}

export function twoRedisStores(client: RedisClient, options: RedisStoreOptions = {}): Promise<TwoStores> {
  const own = { ...options, prefix: `contract-${++prefixes}` }
  return twoStores(redisStore(client, own), redisStore(client, own))
}

export function twoPostgresStores(
  pool: PostgresClient,
  options: PostgresStoreOptions = {},
): Promise<TwoStores> {
  const own = { flushIntervalMs: 100, ...options, schema: `contract_${++prefixes}` }
  return twoStores(postgresStore(pool, own), postgresStore(pool, own))
}

interface StoreOfCircuits {
  readonly circuits: SharedCircuitStore
  close(): Promise<void>
}

async function twoStores(one: StoreOfCircuits, two: StoreOfCircuits): Promise<TwoStores> {
  await untilPushed(one.circuits, two.circuits)
  await untilPushed(two.circuits, one.circuits)
  return {
    store: one.circuits,
    other: two.circuits,
    async dispose() {
      await Promise.all([one.close(), two.close()])
    },
  }
}

import type { Pool } from 'pg'
import type { CircuitStore } from '../../circuit/store.ts'
import type { DeadLetterStore } from '../../dead-letter/store/store.ts'
import { defined } from '../../options.ts'
import type { LimitStore } from '../../rate-limit/store.ts'
import type { RedisClient } from '../../stores/redis/connection.ts'
import { OperationError } from '../operation-error.ts'
import { connectPostgres } from './postgres-pool.ts'
import { connectRedis } from './redis-client.ts'
import { checkSqliteFile } from './sqlite-file.ts'
import { parseStoreUrl, shownLocation, type StoreLocation } from './store-url.ts'

export interface OpenStoreOptions {
  /** Which store: see `parseStoreUrl`. */
  readonly store: string
  /** The `prefix` of `redisStore`. */
  readonly prefix: string
  /** The `schema` of `postgresStore`; its default where it is left out. */
  readonly schema?: string | undefined
}

export interface OpenedStore {
  readonly location: StoreLocation
  /** Without credentials. */
  readonly shown: string
  readonly deadLetters: DeadLetterStore
  readonly circuits: CircuitStore
  readonly limits: LimitStore
  /** The connection of the operations themselves, where the store is in Redis. */
  readonly redis: RedisClient | undefined
  /** The pool of the store, where it is in PostgreSQL. */
  readonly postgres?: Pool
  close(): Promise<void>
}

/** Retention is the application's: smaller bounds here would evict what the application keeps. */
const unbounded = {
  maxRecords: Number.MAX_SAFE_INTEGER,
  maxBytes: Number.MAX_SAFE_INTEGER,
  maxAgeMs: Infinity,
}

/** How long the store's own connections wait for an answer, in milliseconds: no call waits for them here. */
const COMMAND_MS = 5_000

/** @throws {OperationError} `invalid` for a wrong `store`, `store-unavailable` when it cannot be opened */
export async function openStore(options: OpenStoreOptions, mayCreate = false): Promise<OpenedStore> {
  const location = parseStoreUrl(options.store)
  const shown = shownLocation(location)
  if (location.kind === 'sqlite') return openSqlite(location, shown, mayCreate)
  if (location.kind === 'postgres') return openPostgres(location, shown, options.schema, mayCreate)
  return openRedis(location, shown, options.prefix)
}

async function openSqlite(
  location: StoreLocation & { kind: 'sqlite' },
  shown: string,
  mayCreate: boolean,
): Promise<OpenedStore> {
  checkSqliteFile(location.path, mayCreate)
  const { sqliteStore } = await import('../../stores/sqlite/sqlite-store.ts')
  try {
    const store = sqliteStore(location.path, unbounded)
    const { deadLetters, circuits, limits } = store
    return { location, shown, deadLetters, circuits, limits, redis: undefined, close: () => store.close() }
  } catch (error) {
    throw new OperationError((error as Error).message, 'store-unavailable', error)
  }
}

type ServerLocation = Exclude<StoreLocation, { kind: 'sqlite' }>

async function openPostgres(
  location: ServerLocation,
  shown: string,
  schema: string | undefined,
  mayCreate: boolean,
): Promise<OpenedStore> {
  const pool = await connectPostgres(location.url, location.shown)
  const { postgresStore } = await import('../../stores/postgres/postgres-store.ts')
  try {
    const store = postgresStore(pool, {
      ...defined({ schema }),
      // a mistyped schema must not become new tables
      migrate: mayCreate,
      commandTimeoutMs: COMMAND_MS,
      deadLetters: { ...unbounded, timeoutMs: 12 * COMMAND_MS },
    })
    await store.deadLetters.get('-')
    return {
      location,
      shown,
      deadLetters: store.deadLetters,
      get circuits() {
        return store.circuits
      },
      get limits() {
        return store.limits
      },
      redis: undefined,
      postgres: pool,
      async close() {
        await store.close()
        await pool.end()
      },
    }
  } catch (error) {
    await pool.end()
    throw new OperationError((error as Error).message, 'store-unavailable', error)
  }
}

async function openRedis(location: ServerLocation, shown: string, prefix: string): Promise<OpenedStore> {
  const client = await connectRedis(location.url, location.shown)
  const { redisStore } = await import('../../stores/redis/redis-store.ts')
  try {
    const store = redisStore(client, {
      prefix,
      commandTimeoutMs: COMMAND_MS,
      deadLetters: { ...unbounded, timeoutMs: COMMAND_MS },
    })
    return {
      location,
      shown,
      // each opens its connections when it is first used
      get deadLetters() {
        return store.deadLetters
      },
      get circuits() {
        return store.circuits
      },
      get limits() {
        return store.limits
      },
      redis: client,
      async close() {
        await store.close()
        client.disconnect()
      },
    }
  } catch (error) {
    client.disconnect()
    throw new OperationError((error as Error).message)
  }
}

import type { CircuitStore } from '../circuit/store.ts'
import type { DeadLetterStore } from '../dead-letter/store.ts'
import type { RedisClient } from '../stores/redis/connection.ts'
import { CliError, exitCodes } from './cli-error.ts'
import { connectRedis } from './redis-client.ts'
import { checkSqliteFile } from './sqlite-file.ts'
import { parseStoreUrl, shownLocation, type StoreLocation } from './store-url.ts'

export interface StoreOptions {
  store?: string
  prefix: string
}

export interface OpenedStore {
  readonly location: StoreLocation
  /** Without credentials. */
  readonly shown: string
  readonly deadLetters: DeadLetterStore
  readonly circuits: CircuitStore
  /** The command line's own connection, where the store is in Redis. */
  readonly redis: RedisClient | undefined
  close(): Promise<void>
}

/** Retention is the application's: a command line with smaller bounds would evict what the application keeps. */
const unbounded = {
  maxRecords: Number.MAX_SAFE_INTEGER,
  maxBytes: Number.MAX_SAFE_INTEGER,
  maxAgeMs: Infinity,
}

/** How long the store's own connections wait for an answer, in milliseconds: nobody's call waits behind them here. */
const COMMAND_MS = 5_000

/** @throws {CliError} with `usage` for a wrong `--store`, with `storeUnavailable` when it cannot be opened */
export async function openStore(options: StoreOptions, mayCreate = false): Promise<OpenedStore> {
  const location = parseStoreUrl(options.store)
  const shown = shownLocation(location)
  return location.kind === 'sqlite'
    ? await openSqlite(location, shown, mayCreate)
    : await openRedis(location, shown, options.prefix)
}

async function openSqlite(
  location: StoreLocation & { kind: 'sqlite' },
  shown: string,
  mayCreate: boolean,
): Promise<OpenedStore> {
  checkSqliteFile(location.path, mayCreate)
  const { sqliteStore } = await import('../stores/sqlite/sqlite-store.ts')
  try {
    const store = sqliteStore(location.path, unbounded)
    const { deadLetters, circuits } = store
    return { location, shown, deadLetters, circuits, redis: undefined, close: () => store.close() }
  } catch (error) {
    throw new CliError((error as Error).message, exitCodes.storeUnavailable, error)
  }
}

async function openRedis(
  location: StoreLocation & { kind: 'redis' },
  shown: string,
  prefix: string,
): Promise<OpenedStore> {
  const client = await connectRedis(location.url, location.shown)
  const { redisStore } = await import('../stores/redis/redis-store.ts')
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
      redis: client,
      async close() {
        await store.close()
        client.disconnect()
      },
    }
  } catch (error) {
    client.disconnect()
    throw new CliError((error as Error).message)
  }
}

import type { RedisClient } from '../stores/redis/connection.ts'
import { CliError } from './cli-error.ts'
import type { OpenedStore } from './open-store.ts'

/** The connection of a store whose circuits are shared. */
export function sharedBy(store: OpenedStore): RedisClient {
  if (store.redis !== undefined) return store.redis
  throw new CliError(
    `${store.shown} keeps dead letters only: its circuits are those of each process, out of reach from here. ` +
      'Circuits are shared with --store redis://...',
  )
}

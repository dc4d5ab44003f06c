import type { Cluster, Redis, RedisOptions } from 'ioredis'

/** An ioredis 5 or 6 client, as the user made it. */
export type RedisClient = Redis | Cluster

interface ConnectionListener {
  /** Commands can be sent; also after each reconnection. */
  up(): void
  /** They cannot. Told again for each attempt that fails. */
  down(error: Error | undefined): void
}

/** A connection of our own to where the user's client points. */
export interface Connection<C extends RedisClient = RedisClient> {
  readonly client: C
  close(): void
}

export function isCluster(client: RedisClient): client is Cluster {
  return client.isCluster
}

/** The servers that hold keys: the masters of a cluster, or the one there is. */
export function serversOf(client: RedisClient): Redis[] {
  return isCluster(client) ? client.nodes('master') : [client]
}

/** The user's key prefix. Our connections have none: keys and channels are made whole, so that both carry it. */
export function keyPrefixOf(client: RedisClient): string {
  return String(client.options.keyPrefix ?? '')
}

/**
 * ioredis fails a command when its timer goes off, though the answer may be there to be read: after a while in which this
 * process could not run. So scripts have a limit of ours (`runScript`), which reads first, and that of ioredis is for
 * what it asks by itself, and comes later.
 */
const BACKSTOP_MS = 2_000

/**
 * Opens a connection with the user's address, credentials, TLS, Sentinel and database, and with settings of its own: it
 * never queues while it is down, never sends a command twice, gives each a deadline, and reconnects for ever, also when
 * the master it talked to became a replica.
 */
export function openConnection(
  source: RedisClient,
  commandTimeoutMs: number,
  listener: ConnectionListener,
): Connection {
  const retry = (times: number): number =>
    Math.min(2_000, 50 * 2 ** Math.min(times, 6)) * (0.75 + Math.random() / 4)
  const own = {
    keyPrefix: '',
    commandTimeout: 2 * commandTimeoutMs + BACKSTOP_MS,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    lazyConnect: false,
    maxRetriesPerRequest: null,
    retryStrategy: retry,
    reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
  } satisfies RedisOptions
  const client = isCluster(source)
    ? source.duplicate([], clusterOptions(source, own, retry))
    : source.duplicate(own)
  let closed = false
  let lastError: Error | undefined
  const down = (): void => {
    if (!closed) listener.down(lastError)
  }
  client.on('ready', () => {
    lastError = undefined
    if (!closed) listener.up()
  })
  // without a listener ioredis prints each failed attempt
  client.on('error', (error: Error) => void (lastError = error))
  client.on('close', down)
  client.on('end', down)
  return {
    client,
    close() {
      closed = true
      client.disconnect()
    },
  }
}

type OwnClusterOptions = NonNullable<Parameters<Cluster['duplicate']>[1]>

function clusterOptions(
  source: Cluster,
  own: RedisOptions,
  clusterRetryStrategy: (times: number) => number,
): OwnClusterOptions {
  const redisOptions = { ...source.options.redisOptions, ...own } as NonNullable<
    OwnClusterOptions['redisOptions']
  >
  return {
    keyPrefix: '',
    enableOfflineQueue: false,
    // without the queue ioredis fails its own check whenever it asks a node that is still connecting, and starts anew
    enableReadyCheck: false,
    lazyConnect: false,
    clusterRetryStrategy,
    redisOptions,
  }
}

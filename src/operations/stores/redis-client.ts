import { defined } from '../../options.ts'
import type { RedisClient } from '../../stores/redis/connection.ts'
import { withTimeLimit } from '../../time/time-limit.ts'
import { loadClient, unreachable } from './store-client.ts'

const CONNECT_MS = 5_000
const COMMAND_MS = 5_000

/**
 * A connection to the server of a store's url; to the whole cluster where the server belongs to one. It does not
 * reconnect: a command line says that the server is away.
 * @throws {OperationError} that says what was tried, never the password
 */
export async function connectRedis(url: string, shown: string): Promise<RedisClient> {
  const { Redis, Cluster } = await loadClient('redis://', 'ioredis', () => import('ioredis'))
  const options = {
    lazyConnect: true,
    connectTimeout: CONNECT_MS,
    commandTimeout: COMMAND_MS,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    enableOfflineQueue: false,
    connectionName: 'undici-resilience-cli',
  }
  const single = new Redis(url, options)
  await connected(single, shown)
  if (!/cluster_enabled:1/.test(await single.info('cluster'))) return single
  const { host, port, username, password, tls, family } = single.options
  single.disconnect()
  const cluster = new Cluster([{ host: host ?? 'localhost', port: port ?? 6379 }], {
    lazyConnect: true,
    // together with a ready check it would often fail: ioredis asks a node that is still connecting
    enableOfflineQueue: false,
    enableReadyCheck: false,
    clusterRetryStrategy: () => null,
    redisOptions: { ...options, ...defined({ username, password, tls, family }) },
  })
  await connected(cluster, shown)
  return cluster
}

async function connected(client: RedisClient, shown: string): Promise<void> {
  let failure: Error | undefined
  // ioredis tells the cause here, and rejects with "Connection is closed."
  client.on('error', (error: Error) => void (failure = error))
  try {
    await withTimeLimit(client.connect(), CONNECT_MS + COMMAND_MS, 'connecting')
  } catch (error) {
    client.disconnect()
    throw unreachable(shown, failure ?? error)
  }
}

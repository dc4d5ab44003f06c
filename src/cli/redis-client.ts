import type { Redis } from 'ioredis'
import { withoutUserinfo } from './terminal-safe.ts'
import { CliError, exitCodes } from './cli-error.ts'
import { isCluster, type RedisClient } from '../stores/redis/connection.ts'

type Ioredis = Pick<typeof import('ioredis'), 'Redis' | 'Cluster'>

const CONNECT_MS = 5_000
const COMMAND_MS = 5_000

/** ioredis is an optional peer: it is there when the application uses Redis. */
async function loadIoredis(): Promise<Ioredis> {
  try {
    return await import('ioredis')
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new CliError(
      'redis:// needs the package ioredis, which is not installed here: npm install ioredis',
      exitCodes.storeUnavailable,
      error,
    )
  }
}

/**
 * A connection to the server of a `--store` url; to the whole cluster where the server belongs to one. It does not
 * reconnect: a command line says that the server is away.
 * @throws {CliError} that says what was tried, never the password
 */
export async function connectRedis(url: string, shown: string): Promise<RedisClient> {
  const { Redis, Cluster } = await loadIoredis()
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
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new Error(`no answer within ${CONNECT_MS + COMMAND_MS} ms`)),
      CONNECT_MS + COMMAND_MS,
    )
  })
  try {
    await Promise.race([client.connect(), late])
  } catch (error) {
    client.disconnect()
    throw unreachable(shown, failure ?? error)
  } finally {
    clearTimeout(timer)
  }
}

function unreachable(shown: string, error: unknown): CliError {
  const { message, code, errors } = error as { message?: string; code?: string; errors?: Error[] }
  const said = [message, errors?.[0]?.message, code].find((text) => text !== undefined && text !== '')
  return new CliError(
    `cannot reach ${shown}: ${withoutUserinfo(said ?? String(error))}`,
    exitCodes.storeUnavailable,
    error,
  )
}

/** The servers that hold keys: the masters of a cluster, or the one there is. */
export function serversOf(client: RedisClient): Redis[] {
  return isCluster(client) ? client.nodes('master') : [client]
}

function defined<T extends object>(values: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>
  }
}

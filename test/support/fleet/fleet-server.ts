import { Cluster, Redis } from 'ioredis'
import pg from 'pg'
import type { SharedCircuitStore } from '../../../src/circuit/store.ts'
import type { DeadLetterStore } from '../../../src/dead-letter/store/store.ts'
import type { LimitStore } from '../../../src/rate-limit/store.ts'
import { postgresStore } from '../../../src/stores/postgres/postgres-store.ts'
import { redisStore } from '../../../src/stores/redis/redis-store.ts'

/** Where the processes of a fleet share: Redis, of one server or of the masters of a cluster, or PostgreSQL. */
export type FleetPlace = { readonly ports: readonly number[] } | { readonly postgres: string }

/** The store of one process of a fleet. */
interface FleetServer {
  readonly store: {
    readonly circuits: SharedCircuitStore
    readonly limits: LimitStore
    readonly deadLetters: DeadLetterStore
    close(): Promise<void>
  }
  /** Hears bare messages, without anything of ours: each is the server's time when it was sent, in microseconds. */
  listen(heard: (micros: number) => void): Promise<void>
  /** Sends such a message. */
  publish(): Promise<unknown>
  /** Ends what the store leaves open. */
  close(): Promise<void>
}

export function fleetServer(place: FleetPlace, options: object): FleetServer {
  return 'postgres' in place ? inPostgres(place.postgres, options) : inRedis(place.ports, options)
}

function inRedis(ports: readonly number[], options: object): FleetServer {
  const [port = 0] = ports
  const redis =
    ports.length > 1
      ? new Cluster(
          ports.map((one) => ({ host: '127.0.0.1', port: one })),
          { lazyConnect: true },
        )
      : new Redis(port, '127.0.0.1', { lazyConnect: true })
  const bare: Redis[] = []
  return {
    store: redisStore(redis, options),
    async listen(heard) {
      const sender = new Redis(port, '127.0.0.1')
      const listener = sender.duplicate()
      bare.push(sender, listener)
      listener.on('message', (_channel: string, sent: string) => heard(Number(sent)))
      await listener.subscribe('bare')
    },
    publish: async () =>
      bare[0]?.eval(
        "local t = redis.call('TIME') return redis.call('PUBLISH', 'bare', t[1] .. string.format('%06d', t[2]))",
        0,
      ),
    async close() {
      for (const client of bare) client.disconnect()
      return Promise.resolve()
    },
  }
}

function inPostgres(url: string, options: object): FleetServer {
  const pool = new pg.Pool({ connectionString: url, max: 4, connectionTimeoutMillis: 1_000 })
  pool.on('error', () => undefined)
  const listener = new pg.Client(url)
  listener.on('error', () => undefined)
  return {
    store: postgresStore(pool, options),
    async listen(heard) {
      listener.on('notification', ({ payload }) => heard(Number(payload)))
      await listener.connect()
      await listener.query('LISTEN bare')
    },
    publish: () =>
      pool.query("SELECT pg_notify('bare', (extract(epoch FROM clock_timestamp()) * 1000000)::bigint::text)"),
    async close() {
      await Promise.all([pool.end(), listener.end()])
    },
  }
}

import { startPostgres } from '../servers/postgres-server.ts'
import { startRedis } from '../servers/redis-server.ts'
import type { FleetPlace } from './fleet-server.ts'

/** A server that processes share, and how to stop it. */
type Started = readonly [place: FleetPlace, stop: () => Promise<void>]

/** Each kind of server that keeps dead letters for many processes. */
export const sharedPlaces: readonly (readonly [name: string, start: () => Promise<Started>])[] = [
  [
    'Redis',
    async () => {
      const server = await startRedis()
      return [{ ports: [server.port] }, () => server.stop()]
    },
  ],
  [
    'PostgreSQL',
    async () => {
      const server = await startPostgres()
      return [{ postgres: server.url }, () => server.stop()]
    },
  ],
]

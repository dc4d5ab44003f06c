import { fleetScenes } from '../../support/fleet/fleet-scenes.ts'
import { startPostgres } from '../../support/servers/postgres-server.ts'
import { startRedis } from '../../support/servers/redis-server.ts'

fleetScenes('circuits in Redis', {
  rounds: 120,
  goal: { p50: 2, p99: 10 },
  bare: 'PUBLISH',
  async start() {
    const server = await startRedis()
    return { place: { ports: [server.port] }, stop: () => server.stop() }
  },
})

fleetScenes('circuits in PostgreSQL', {
  rounds: 60,
  // a row is written and committed before it is told
  goal: { p50: 5, p99: 20 },
  bare: 'NOTIFY',
  async start() {
    const server = await startPostgres()
    return { place: { postgres: server.url }, stop: () => server.stop() }
  },
})

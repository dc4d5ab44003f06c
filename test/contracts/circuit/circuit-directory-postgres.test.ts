import { afterAll, beforeAll } from 'vitest'
import { twoPostgresStores } from '../../support/fleet/shared-circuits.ts'
import { postgresFixture, type PostgresFixture } from '../../support/servers/postgres-schemas.ts'
import { circuitDirectoryContract } from './circuit-directory.ts'

let fixture: PostgresFixture
beforeAll(async () => {
  fixture = await postgresFixture()
})
afterAll(() => fixture.stop())

circuitDirectoryContract('postgres', () => twoPostgresStores(fixture.pool))

import { afterAll, beforeAll } from 'vitest'
import { postgresFixture, type PostgresFixture } from '../support/postgres-schemas.ts'
import { twoPostgresStores } from '../support/shared-circuits.ts'
import { circuitDirectoryContract } from './circuit-directory.ts'

let fixture: PostgresFixture
beforeAll(async () => {
  fixture = await postgresFixture()
})
afterAll(() => fixture.stop())

circuitDirectoryContract('postgres', () => twoPostgresStores(fixture.pool))

import { afterAll, beforeAll } from 'vitest'
import { circuitStoreContract } from '../../../src/testing/contracts/circuit-store.ts'
import { twoPostgresStores } from '../../support/fleet/shared-circuits.ts'
import { postgresFixture, type PostgresFixture } from '../../support/servers/postgres-schemas.ts'
import { runner } from '../runner.ts'

let fixture: PostgresFixture
beforeAll(async () => {
  fixture = await postgresFixture()
})
afterAll(() => fixture.stop())

circuitStoreContract(runner, 'postgres', (options) => twoPostgresStores(fixture.pool, options))

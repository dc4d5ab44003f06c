import { afterAll, beforeAll } from 'vitest'
import { circuitStoreContract } from '../../src/testing/contracts/circuit-store.ts'
import { postgresFixture, type PostgresFixture } from '../support/postgres-schemas.ts'
import { twoPostgresStores } from '../support/shared-circuits.ts'
import { runner } from './runner.ts'

let fixture: PostgresFixture
beforeAll(async () => {
  fixture = await postgresFixture()
})
afterAll(() => fixture.stop())

circuitStoreContract(runner, 'postgres', (options) => twoPostgresStores(fixture.pool, options))

import { afterAll, beforeAll } from 'vitest'
import { postgresStore } from '../../../src/stores/postgres/postgres-store.ts'
import { limitStoreContract } from '../../../src/testing/contracts/limit-store.ts'
import { newSchema, postgresFixture, type PostgresFixture } from '../../support/servers/postgres-schemas.ts'
import { runner } from '../runner.ts'

let fixture: PostgresFixture
beforeAll(async () => {
  fixture = await postgresFixture()
})
afterAll(() => fixture.stop())

limitStoreContract(runner, 'postgres', () => {
  const schema = newSchema()
  const [one, two] = [postgresStore(fixture.pool, { schema }), postgresStore(fixture.pool, { schema })]
  return Promise.resolve({
    store: one.limits,
    other: two.limits,
    async dispose() {
      await Promise.all([one.close(), two.close()])
      await fixture.pool.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
    },
  })
})

import { afterAll, beforeAll } from 'vitest'
import { PostgresLimitBackend } from '../../../src/stores/postgres/limits/backend.ts'
import { PostgresLimitDirectory } from '../../../src/stores/postgres/limits/directory.ts'
import {
  clockedSchema,
  postgresFixture,
  type PostgresFixture,
} from '../../support/servers/postgres-schemas.ts'
import { limitDirectoryContract } from './limit-directory.ts'

let fixture: PostgresFixture
beforeAll(async () => {
  fixture = await postgresFixture()
})
afterAll(() => fixture.stop())

limitDirectoryContract('postgres', async () => {
  const { schema, database, drop } = await clockedSchema(fixture.pool)
  const backend = new PostgresLimitBackend({ db: database(), channel: schema, timeoutMs: 30_000 })
  return { backend, directory: new PostgresLimitDirectory(backend), dispose: drop }
})

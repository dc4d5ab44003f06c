import type pg from 'pg'
import { afterAll, beforeAll } from 'vitest'
import { resolveOptions } from '../../../src/checks.ts'
import {
  PostgresDeadLetters,
  postgresDeadLettersChecks,
} from '../../../src/stores/postgres/dead-letters/dead-letters.ts'
import {
  type DamageableStore,
  damagedStatesContract,
  everyKind,
} from '../../../src/testing/contracts/damaged-states.ts'
import {
  clockedSchema,
  postgresFixture,
  type PostgresFixture,
} from '../../support/servers/postgres-schemas.ts'
import { runner } from '../runner.ts'

let fixture: PostgresFixture
beforeAll(async () => {
  fixture = await postgresFixture()
})
afterAll(() => fixture.stop())

const HUGE = String(2n ** 60n + 1n)

interface PostgresUnderTest extends DamageableStore {
  /** Another program's connection. */
  readonly pool: pg.Pool
  readonly schema: string
}

async function make(): Promise<PostgresUnderTest> {
  const { pool } = fixture
  const { schema, database, advance, drop } = await clockedSchema(pool)
  const policy = resolveOptions('deadLetters', postgresDeadLettersChecks, {
    maxRecords: 1000,
    maxAgeMs: Infinity,
    timeoutMs: 30_000,
  })
  return { store: new PostgresDeadLetters(database(), policy), pool, schema, advance, dispose: drop }
}

const set =
  (assignment: string) =>
  async ({ pool, schema }: PostgresUnderTest, id: string): Promise<void> => {
    await pool.query(`UPDATE ${schema}.dead_letters SET ${assignment} WHERE id = $1`, [id])
  }

const counts =
  (assignment: string) =>
  async ({ pool, schema }: PostgresUnderTest): Promise<void> => {
    await pool.query(`UPDATE ${schema}.dead_letter_counts SET ${assignment}`)
  }

damagedStatesContract(runner, 'PostgreSQL', make, {
  ofOne: everyKind<PostgresUnderTest>({
    // the type of the column takes no half of a JSON text but as a string
    'a record that ends in its middle': set('record = to_json(left(record::text, 40))'),
    'a record without a field': set("record = (record::jsonb - 'request')::json"),
    'a record of another id': set(`record = jsonb_set(record::jsonb, '{id}', '"somebody-else"')::json`),
    'no record': set('record = NULL'),
    'a body that ends in its middle': set('body = substr(body, 1, 3)'),
    'replays that are no list': set(`replays = '{"at":1}'`),
    'a status that is no word of ours': set("status = 'done'"),
    'a time of capture beyond 2^53': set(`ts = ${HUGE}`),
    'a time of capture before all time': set(`ts = -${HUGE}`),
    'a due time beyond 2^53': set(`due_at = ${HUGE}`),
    'a due time before all time': set(`due_at = -${HUGE}`),
    'an end of its lease beyond 2^53': set(`status = 'sending', lease_until = ${HUGE}`),
    'a count of replays beyond 2^53': set(`replay_count = ${HUGE}`),
    'a size beyond 2^53': set(`bytes = ${HUGE}, status = 'done'`),
    'labels that are no dictionary, and no record': set(`labels = '[7]', record = '""'`),
  }),
  ofSize: (store, id, bytes) => set(`bytes = ${bytes}`)(store, id),
  ofAll: {
    'no rows of counts': async ({ pool, schema }) => {
      await pool.query(`DELETE FROM ${schema}.dead_letter_counts`)
    },
    'two rows to add to': async ({ pool, schema }) => {
      await pool.query(`INSERT INTO ${schema}.dead_letter_counts (base, entries) VALUES (true, 7)`)
    },
    'counts beyond 2^53': counts('bytes = 9223372036854775807, captured = 9223372036854775807'),
    'counts below nothing': counts('entries = -5, bytes = -9223372036854775808'),
  },
})

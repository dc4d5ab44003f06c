import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import type { LimitMessage } from '../../../src/rate-limit/shared/backend.ts'
import { decodeLimitMessage } from '../../../src/rate-limit/shared/wire.ts'
import { PostgresLimitBackend } from '../../../src/stores/postgres/limits/backend.ts'
import {
  clockedSchema,
  postgresFixture,
  type PostgresFixture,
} from '../../support/servers/postgres-schemas.ts'
import { limitBackendContract } from './limit-backend.ts'

let fixture: PostgresFixture
let listener: pg.Client
beforeAll(async () => {
  fixture = await postgresFixture()
  listener = new pg.Client(fixture.server.url)
  listener.setMaxListeners(0)
  await listener.connect()
})
afterAll(async () => {
  await listener.end()
  await fixture.stop()
})

limitBackendContract('limits in PostgreSQL', async () => {
  const { schema, database, advance } = await clockedSchema(fixture.pool)
  const backend = new PostgresLimitBackend({ db: database(), channel: schema, timeoutMs: 30_000 })
  const messages: LimitMessage[] = []
  let heard = (): void => undefined
  listener.on('notification', ({ channel, payload = '' }) => {
    if (channel !== schema) return
    if (payload === 'all') heard()
    const message = decodeLimitMessage(payload)
    if (message !== undefined) messages.push(message)
  })
  await listener.query(`LISTEN "${schema}"`)
  return {
    backend,
    advance,
    async wipe() {
      await fixture.pool.query(`TRUNCATE ${schema}.limits, ${schema}.limit_leases`)
    },
    async pushed() {
      const all = new Promise<void>((resolve) => (heard = resolve))
      // what was committed before is told before
      await fixture.pool.query('SELECT pg_notify($1, $2)', [schema, 'all'])
      await all
      return messages.splice(0)
    },
  }
})

it('a cool-down in PostgreSQL has no more left than was asked for when the clock steps back, and holds back no shorter one', async () => {
  const { schema, database, advance, drop } = await clockedSchema(fixture.pool)
  const backend = new PostgresLimitBackend({ db: database(), channel: schema, timeoutMs: 30_000 })
  const left = async (): Promise<unknown> => (await backend.cooling()).map(({ ms }) => ms)
  expect(await backend.cool('a', 60_000)).toBe(60_000)
  await advance(10_000)
  expect(await left()).toEqual([50_000])
  expect(await backend.cool('a', 1_000)).toBe(50_000)
  await advance(-3_600_000)
  expect(await left()).toEqual([50_000])
  expect(await backend.cool('a', 1_000)).toBe(50_000)
  await advance(49_500)
  expect(await backend.cool('a', 1_000)).toBe(1_000)
  await advance(1_000)
  expect(await left()).toEqual([])
  await drop()
})

describe('limits in PostgreSQL that only have cool-downs', () => {
  afterEach(() => void vi.restoreAllMocks())

  it.each(['cool', 'clear'] as const)('leave no rows of those that are over: %s sweeps', async (what) => {
    const { schema, database, advance, drop } = await clockedSchema(fixture.pool)
    const backend = new PostgresLimitBackend({ db: database(), channel: schema, timeoutMs: 30_000 })
    await backend.cool('over', 1_000)
    await advance(2_000)
    const now = performance.now()
    vi.spyOn(performance, 'now').mockImplementation(() => now + 11 * 60_000)
    await backend[what]('other', 60_000)
    vi.restoreAllMocks()
    await vi.waitFor(async () => {
      const { rows } = await fixture.pool.query(`SELECT id FROM ${schema}.limit_cooldowns`)
      expect(rows).toEqual([{ id: 'other' }])
    }, 10_000)
    await drop()
  })
})

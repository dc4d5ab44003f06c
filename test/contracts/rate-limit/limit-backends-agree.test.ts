import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { isError } from '../../../src/errors.ts'
import type { LimitBackend, LimitReply, LimitRequest } from '../../../src/rate-limit/shared/backend.ts'
import { PostgresLimitBackend } from '../../../src/stores/postgres/limits/backend.ts'
import { RedisLimitBackend } from '../../../src/stores/redis/limits/backend.ts'
import { LimitLayout } from '../../../src/stores/redis/limits/layout.ts'
import { makeLimitScripts } from '../../../src/stores/redis/limits/scripts.ts'
import {
  clockedSchema,
  postgresFixture,
  type PostgresFixture,
} from '../../support/servers/postgres-schemas.ts'
import { type RunningRedis, startRedis } from '../../support/servers/redis-server.ts'
import { seeded } from '../../support/simulation/random.ts'

const TRACES = 25
const STEPS = 60
const START = 1_700_000_000_000

let redis: RunningRedis
let client: Redis
let postgres: PostgresFixture
beforeAll(async () => {
  ;[redis, postgres] = await Promise.all([startRedis(), postgresFixture()])
  client = new Redis(redis.url)
})
afterAll(async () => {
  client.disconnect()
  await Promise.all([redis.stop(), postgres.stop()])
})

/** What is the same in both: what a generation is called says nothing. */
type Answer = Omit<LimitReply, 'generation'> & { readonly isSameGeneration: boolean }

/** A limit in one store, with what its processes know. */
class Subject {
  readonly #backend: LimitBackend
  readonly #generations = new Map<string, string>()
  readonly advance: (ms: number) => Promise<unknown>
  readonly wipe: () => Promise<unknown>

  constructor(
    backend: LimitBackend,
    advance: (ms: number) => Promise<unknown>,
    wipe: () => Promise<unknown>,
  ) {
    this.#backend = backend
    this.advance = advance
    this.wipe = wipe
  }

  async exchange(request: LimitRequest): Promise<Answer> {
    const known = `${request.id} ${request.by}`
    const generation = request.generation === '' ? '' : (this.#generations.get(known) ?? '')
    const [reply] = await this.#backend.exchange([{ ...request, generation }])
    if (reply === undefined || isError(reply)) throw reply ?? new Error('no reply')
    const isSameGeneration = reply.generation === generation
    if (reply.status !== 'stale') this.#generations.set(known, reply.generation)
    return { ...reply, generation: undefined, isSameGeneration } as Answer
  }
}

async function inRedis(name: string): Promise<Subject> {
  const clockKey = `${name}:clock`
  let now = START
  const set = (): Promise<unknown> => client.set(clockKey, now * 1_000)
  await set()
  const backend = new RedisLimitBackend({
    client,
    layout: new LimitLayout(client, name),
    channel: name,
    timeoutMs: 10_000,
    scripts: makeLimitScripts(`local micros = tonumber(redis.call('GET', '${clockKey}'))`),
  })
  return new Subject(
    backend,
    (ms) => {
      now += ms
      return set()
    },
    async () => {
      await client.flushall()
      await set()
    },
  )
}

async function inPostgres(): Promise<Subject> {
  const { schema, database, advance } = await clockedSchema(postgres.pool, START)
  const backend = new PostgresLimitBackend({ db: database(), channel: schema, timeoutMs: 10_000 })
  return new Subject(backend, advance, () =>
    postgres.pool.query(`TRUNCATE ${schema}.limits, ${schema}.limit_leases`),
  )
}

it('limits in PostgreSQL reply as those in Redis do, whatever is asked', async () => {
  const seen = new Set<string>()
  const [one, other] = [await inRedis('traces'), await inPostgres()]
  for (let seed = 1; seed <= TRACES; seed++) {
    const random = seeded(seed)
    const upTo = (most: number): number => Math.floor(random() * (most + 1))
    const intervalMs = [700, 1_050, 10_000, 60_000][upTo(3)]!
    const limit = [3, 20, 100, 1_000][upTo(3)]!
    const leaseMs = Math.min(2_000, intervalMs / 2)
    const processes = Array.from({ length: 1 + upTo(4) }, (_one, at) => ({
      by: `p${at}`,
      windowMs: intervalMs + (random() < 0.2 ? 20 : 0),
      sequence: 0,
      used: 0,
      usedKnown: 0,
      returned: 0,
      returnedKnown: 0,
      held: 0,
    }))
    let idleMs = 0
    for (let step = 0; step < STEPS; step++) {
      if (random() < 0.5) {
        // keys in Redis go by its own clock, so none may be idle for so long that it goes here
        const most = Math.min(random() < 0.2 ? 2 * intervalMs : 300, 2 * intervalMs - idleMs)
        const ms = random() < 0.05 ? -upTo(3 * intervalMs) : upTo(most)
        idleMs += Math.max(0, ms)
        await Promise.all([one.advance(ms), other.advance(ms)])
      }
      if (random() < 0.01) await Promise.all([one.wipe(), other.wipe()])
      const process = processes[upTo(processes.length - 1)]!
      process.sequence += random() < 0.05 ? 0 : 1
      const spent = Math.min(process.held, upTo(10))
      process.used += spent
      process.held -= spent
      if (random() < 0.1) process.used += upTo(limit)
      if (random() < 0.1) process.returned += upTo(3)
      const { by, windowMs, sequence, used, usedKnown, returned, returnedKnown, held } = process
      const live = random() < 0.6 ? upTo(limit) : 0
      const background = random() < 0.3 ? upTo(limit) : 0
      const request: LimitRequest = {
        ...{ by, windowMs, sequence, used, usedKnown, returned, returnedKnown, held },
        id: `http://${seed}.test`,
        name: String(intervalMs),
        limit,
        live,
        background,
        // the first call is one of them
        liveLeast: Math.max(1, random() < 0.2 ? upTo(live) : 0),
        backgroundLeast: Math.max(1, random() < 0.2 ? upTo(background) : 0),
        spare: random() < 0.4 ? upTo(limit / 5) : 0,
        leaseMs,
        reserved: upTo(limit / 5),
        generation: random() < 0.8 ? 'known' : '',
        history: random() < 0.1 ? [[upTo(2 * intervalMs), upTo(limit / 2)]] : undefined,
        providerUsed: random() < 0.1 ? upTo(limit) : undefined,
      }
      const [expected, actual] = await Promise.all([one.exchange(request), other.exchange(request)])
      expect(actual, `seed ${seed}, step ${step}: ${JSON.stringify(request)}`).toEqual(expected)
      for (const [what, value] of Object.entries(expected)) seen.add(`${what} ${Boolean(value)}`)
      seen.add(expected.status)
      if (expected.status === 'stale') continue
      idleMs = 0
      process.usedKnown = used
      process.returnedKnown = returned
      process.held = expected.kept + expected.live + expected.background + expected.spare
    }
  }
  for (const status of ['created', 'same', 'lost', 'restate', 'stale']) expect(seen).toContain(status)
  for (const what of ['live', 'background', 'spare', 'scarce', 'retryInMs', 'holdMs', 'used', 'free']) {
    expect(seen).toContain(`${what} true`)
    expect(seen).toContain(`${what} false`)
  }
}, 60_000)

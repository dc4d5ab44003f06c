import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { resolveOptions } from '../../../src/checks.ts'
import {
  redisDeadLetters,
  redisDeadLettersChecks,
} from '../../../src/stores/redis/dead-letters/dead-letters.ts'
import {
  type DamageableStore,
  damagedStatesContract,
  everyKind,
} from '../../../src/testing/contracts/damaged-states.ts'
import { makeRecord } from '../../../src/testing/contracts/records.ts'
import { type RunningRedis, startRedis } from '../../support/servers/redis-server.ts'
import { runner } from '../runner.ts'

let server: RunningRedis
let client: Redis
beforeAll(async () => {
  server = await startRedis()
  client = new Redis(server.url)
})
afterAll(async () => {
  client.disconnect()
  await server.stop()
})

interface RedisUnderTest extends DamageableStore {
  readonly key: (name: string) => string
}

let count = 0
const make = (): Promise<RedisUnderTest> => {
  const prefix = `damaged-${++count}`
  const store = redisDeadLetters(
    client,
    prefix,
    resolveOptions('redisDeadLetters', redisDeadLettersChecks, { maxAgeMs: Infinity }),
  )
  return Promise.resolve({
    store,
    key: (name: string) => `${prefix}:1:{dead-letters}:${name}`,
    // leases are timed by the server's own clock
    advance: (ms: number) => sleep(ms + 1),
    dispose: () => store.close(),
  })
}

type Fields = Record<string, unknown>

/** Puts another state in the place of the one that is there. */
const state =
  (change: (fields: Fields) => Fields | string, score?: [index: string, at: number]) =>
  async ({ key }: RedisUnderTest, id: string): Promise<void> => {
    const changed = change(JSON.parse((await client.hget(key('states'), id)) ?? '{}') as Fields)
    await client.hset(key('states'), id, typeof changed === 'string' ? changed : JSON.stringify(changed))
    if (score !== undefined) await client.zadd(key(score[0]), score[1], id)
  }

/** Puts another payload in the place of the one that is there. */
const payload =
  (change: (fields: Record<string, string>) => Record<string, string>) =>
  async ({ key }: RedisUnderTest, id: string): Promise<void> => {
    const fields = JSON.parse((await client.hget(key('states'), id)) ?? '{}') as Fields
    const at = String(fields['payload'])
    const [[, flat] = ['', []]] = await client.xrange(key('payloads'), at, at)
    const found: Record<string, string> = {}
    for (let n = 0; n + 1 < flat.length; n += 2) found[flat[n]!] = flat[n + 1]!
    await client.xdel(key('payloads'), at)
    const next = await client.xadd(key('payloads'), '*', ...Object.entries(change(found)).flat())
    await client.hset(key('states'), id, JSON.stringify({ ...fields, payload: next }))
  }

const record = (change: (record: Fields) => Fields): ReturnType<typeof payload> =>
  payload((fields) => ({
    ...fields,
    record: JSON.stringify(change(JSON.parse(fields['record']!) as Fields)),
  }))

const HUGE = 2 ** 60

const replaced =
  (name: string, ...command: [string, ...string[]]) =>
  async ({ key }: RedisUnderTest): Promise<void> => {
    await client.del(key(name))
    const [verb, ...args] = command
    await client.call(verb, key(name), ...args)
  }

damagedStatesContract(runner, 'Redis', make, {
  ofOne: everyKind<RedisUnderTest>({
    'a record that ends in its middle': payload(({ record: text, ...rest }) => ({
      ...rest,
      record: text!.slice(0, 40),
    })),
    'a record without a field': record(({ request: _request, ...rest }) => rest),
    'a record of another id': record((fields) => ({ ...fields, id: 'somebody-else' })),
    'a body that ends in its middle': payload((fields) => ({ ...fields, body: fields['body']!.slice(0, 3) })),
    'a payload that is gone': payload(() => ({ nothing: '' })),
    'a stream id that is none': state((fields) => ({ ...fields, payload: 'nowhere' })),
    'replays that are no list': state((fields) => ({ ...fields, replays: { at: 1 } })),
    'a status that is no word of ours': state((fields) => ({ ...fields, status: 'done' })),
    'a due time beyond 2^53': state((fields) => ({ ...fields, dueAt: HUGE }), ['due', HUGE]),
    'an end of its lease beyond 2^53': state(
      (fields) => ({ ...fields, status: 'sending', leaseUntil: HUGE }),
      ['leases', HUGE],
    ),
    'a count of replays beyond 2^53': state((fields) => ({ ...fields, replayCount: HUGE })),
    'a size beyond 2^53': state((fields) => ({ ...fields, bytes: HUGE })),
    'a state that ends in its middle': state((fields) => JSON.stringify(fields).slice(0, 30)),
    'a state that is a list': state(() => '[]'),
    'a state without a field': state(({ dueAt: _dueAt, ...fields }) => fields),
  }),
  ofSize: (store, id, bytes) => state((fields) => ({ ...fields, bytes }))(store, id),
  ofAll: {
    'a hash in the place of what is due': replaced('due', 'HSET', 'a', '1'),
    'a list in the place of the leases': replaced('leases', 'RPUSH', 'a'),
    'a text in the place of the ordering keys': replaced('orders', 'SET', 'a'),
    'a set in the place of the tombstones': replaced('tombstones', 'SADD', 'a'),
    'a hash in the place of the index by time': replaced('all', 'HSET', 'a', '1'),
    'a text in the place of what may be evicted': replaced('evictable', 'SET', 'a'),
    'a list in the place of the totals': replaced('totals', 'RPUSH', 'a'),
    'a lost index of what is due': ({ key }) =>
      client
        .hset(key('totals'), 'doubtful', '1')
        .then(() => client.del(key('due')))
        .then(() => undefined),
    'totals that are no numbers': async ({ key }) => {
      await client.hset(key('totals'), { bytes: 'many', 'n:pending': 'x', captured: '1e999' })
    },
    'a fence that is no number': async ({ key }) => {
      await client.hset(key('totals'), 'fence', 'high')
    },
  },
})

it('a call of an outbox whose state ends in its middle is not evicted, also after the indexes were made anew', async () => {
  const prefix = `damaged-${++count}`
  const policy = { maxAgeMs: 60_000, maxRecords: 2 }
  const store = redisDeadLetters(
    client,
    prefix,
    resolveOptions('redisDeadLetters', redisDeadLettersChecks, policy),
  )
  const timestamp = Date.now() - 3_600_000
  const [call, failed, next] = [makeRecord({ reason: 'outbox', timestamp }), makeRecord(), makeRecord()]
  await store.add([call, failed])
  const states = `${prefix}:1:{dead-letters}:states`
  await client.hset(states, call.id, (await client.hget(states, call.id))!.slice(0, 30))
  await client.set(`${prefix}:1:{dead-letters}:due`, 'in the way')
  expect((await store.claim({ limit: 10, leaseMs: 1 })).corrupt).toMatchObject([{ id: call.id }])
  await sleep(5)
  await store.claim({ limit: 10, leaseMs: 1, maxReplays: 1 })
  await sleep(5)
  expect((await store.add([next])).evicted).toEqual([failed.id])
  expect(await client.hexists(states, call.id)).toBe(1)
  await store.close()
})

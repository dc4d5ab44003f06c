import { DatabaseSync } from 'node:sqlite'
import { Cluster, Redis } from 'ioredis'
import { describe, expect, it } from 'vitest'
import { redisStore } from '../../src/entries/redis.ts'
import { sqliteStore } from '../../src/entries/sqlite.ts'
import { memoryStore, replayDeadLetters, resilience, startReplayer } from '../../src/index.ts'

const nodeRedis = {
  sendCommand: () => Promise.resolve(),
  duplicate: () => nodeRedis,
  connect: () => Promise.resolve(),
}
/** As clients of the package `redis` look: 5 and 4 (single and cluster), the pool of 5, and 3. */
const foreign: [string, object][] = [
  ['redis 5', { ...nodeRedis, isOpen: false, isReady: false, options: {} }],
  ['a cluster of redis 4', { ...nodeRedis, isOpen: true }],
  ['a pool of redis 5', { sendCommand: nodeRedis.sendCommand, isOpen: false }],
  ['redis 3', { ...nodeRedis, connected: true, options: {} }],
]

describe('redisStore', () => {
  it.each(foreign)('refuses a client of %s, and says which package to install', (_package, client) => {
    expect(() => redisStore(client as never)).toThrow(
      new TypeError(
        '`redis` must be an ioredis client (Redis or Cluster), got one of the package `redis` (node-redis): ' +
          'npm install ioredis, and hand in `new Redis(url)`',
      ),
    )
  })

  it.each([
    ['redis://user:s3cr3t@host', 'got a string: hand in `new Redis(url)` of ioredis'],
    [new URL('redis://user:s3cr3t@host'), 'got a URL: hand in `new Redis(url)` of ioredis'],
    [undefined, 'got undefined'],
    [{ url: 'redis://user:s3cr3t@host' }, 'got an object'],
    [Redis, 'got a function'],
    [memoryStore(), 'got an object'],
  ])('refuses %o, and shows no password', (client, got) => {
    expect(() => redisStore(client as never)).toThrow(
      new TypeError(`\`redis\` must be an ioredis client (Redis or Cluster), ${got}`),
    )
  })

  it('takes a Redis and a Cluster of ioredis, connected or not', async () => {
    const nowhere = { host: '127.0.0.1', port: 1 }
    for (const client of [
      new Redis({ ...nowhere, lazyConnect: true }),
      new Cluster([nowhere], { lazyConnect: true }),
    ]) {
      await redisStore(client).close()
      client.disconnect()
    }
  })
})

describe('a `store`', () => {
  const { circuits, deadLetters } = memoryStore()
  it.each([
    [deadLetters, 'got its dead letters alone: hand in the store that has them'],
    [circuits, 'got its circuits alone: hand in the store that has them'],
    [new Redis({ lazyConnect: true }), 'got a Redis client: make a store of it, redisStore(redis)'],
    [foreign[0]![1], 'got a Redis client: make a store of it, redisStore(redis)'],
    [
      'redis://user:s3cr3t@host',
      'got a string: make a store of it, redisStore(redis) or postgresStore(pool)',
    ],
    ['resilience.db', 'got a string: make a store of it, sqliteStore(path)'],
    [
      { query: () => undefined, connect: () => undefined },
      'got a PostgreSQL client: make a store of its pool, postgresStore(pool)',
    ],
    [redisStore, 'got a function'],
    [null, 'got null'],
  ])('that is %o is refused, with what was meant', (store, got) => {
    expect(() => resilience({ store: store as never })).toThrow(
      new TypeError(
        `\`store\` must have \`circuits\` and \`deadLetters\`, as sqliteStore() and redisStore() have; ${got}`,
      ),
    )
  })
})

describe('sqliteStore', () => {
  it('refuses a database, whose path is meant', () => {
    const db = new DatabaseSync(':memory:')
    expect(() => sqliteStore(db as never)).toThrow(
      new TypeError('`path` must be the path of a file, got a database: it opens one by itself'),
    )
    db.close()
    expect(() => sqliteStore({ path: 'a.db' } as never)).toThrow(
      new TypeError('`path` must be a non-empty string, got an object'),
    )
  })
})

describe('a replay', () => {
  const allowedOrigins = ['https://api.example.com']
  const stack = resilience()
  const meant =
    '`deadLetters` must be a DeadLetterStore, got a value without `add`; did you mean its `deadLetters`?'
  it('of a stack or a store is refused: their `deadLetters` are meant', async () => {
    for (const given of [stack, memoryStore()]) {
      await expect(replayDeadLetters(given as never, { allowedOrigins })).rejects.toThrow(
        new TypeError(meant),
      )
      expect(() => startReplayer(given as never, { allowedOrigins })).toThrow(new TypeError(meant))
    }
  })

  it('of nothing, or without options, is refused by name', async () => {
    const none = '`deadLetters` must be a DeadLetterStore, got undefined'
    await expect(replayDeadLetters(undefined as never, { allowedOrigins })).rejects.toThrow(none)
    await expect(replayDeadLetters(stack.deadLetters, undefined as never)).rejects.toThrow(
      'the options of `replayDeadLetters` must be an object, got undefined',
    )
    expect(() => startReplayer(stack.deadLetters, undefined as never)).toThrow(
      'the options of `startReplayer` must be an object, got undefined',
    )
  })
})

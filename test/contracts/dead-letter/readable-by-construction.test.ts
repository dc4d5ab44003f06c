import fc from 'fast-check'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { resolveOptions } from '../../../src/checks.ts'
import { type CapturedFacts, recordOfCall } from '../../../src/dead-letter/capture/record-of-call.ts'
import { deadLetterId } from '../../../src/dead-letter/id.ts'
import { localDeadLetters } from '../../../src/dead-letter/local/local-dead-letters.ts'
import { MAX_RECORD_CHARS } from '../../../src/dead-letter/record/bounds.ts'
import { DeadLetterFormatError, recordToJson } from '../../../src/dead-letter/record/json.ts'
import { type DeadLetterRecord, recordOf } from '../../../src/dead-letter/record/record.ts'
import { defaultRules } from '../../../src/dead-letter/record/redaction/rules.ts'
import { Seal } from '../../../src/dead-letter/record/sealing.ts'
import type { DeadLetterStore } from '../../../src/dead-letter/store/store.ts'
import { errorOutcome, responseOutcome } from '../../../src/http/outcome.ts'
import {
  redisDeadLetters,
  redisDeadLettersChecks,
} from '../../../src/stores/redis/dead-letters/dead-letters.ts'
import { SqliteDatabase } from '../../../src/stores/sqlite/database.ts'
import { SqliteDeadLetters } from '../../../src/stores/sqlite/dead-letters.ts'
import { makeRecord } from '../../../src/testing/contracts/records.ts'
import { capturedFacts } from '../../support/dead-letters/captured-facts.ts'
import { type RunningRedis, startRedis } from '../../support/servers/redis-server.ts'

let server: RunningRedis
let client: Redis
let stores: DeadLetterStore[]
const file = new SqliteDatabase(':memory:', 1000)
beforeAll(async () => {
  server = await startRedis()
  client = new Redis(server.url)
  const bounds = { maxRecords: 10_000, maxBytes: 1e9, maxAgeMs: Infinity }
  stores = [
    localDeadLetters({ maxBytes: 1e9 }),
    new SqliteDeadLetters(file, bounds),
    redisDeadLetters(client, 'readable', resolveOptions('redis', redisDeadLettersChecks, bounds)),
  ]
})
afterAll(async () => {
  for (const store of stores) await store.close()
  file.close()
  client.disconnect()
  await server.stop()
})

/** Whether all stores took it; what they took they give back whole, list and hand out. */
async function isGivenBack(record: DeadLetterRecord, isSound = true): Promise<boolean> {
  const answers = new Set<boolean>()
  for (const store of stores) answers.add(await isGivenBackBy(store, record, isSound))
  expect(answers.size).toBe(1)
  return answers.has(true)
}

async function isGivenBackBy(
  store: DeadLetterStore,
  record: DeadLetterRecord,
  isSound: boolean,
): Promise<boolean> {
  try {
    expect((await store.add([record])).kept).toEqual([record.id])
  } catch (error) {
    if (isSound) throw error
    expect(error).toBeInstanceOf(DeadLetterFormatError)
    return false
  }
  try {
    const entry = await store.get(record.id)
    expect(whole(recordOf(entry!))).toEqual(whole(record))
    const { items, corrupt } = await store.list()
    expect(corrupt).toBeUndefined()
    expect(items.map(({ id }) => id)).toContain(record.id)
    const claim = await store.claim({ limit: 10, leaseMs: 60_000, purpose: 'transfer' })
    expect(claim.corrupt).toEqual([])
    expect(whole(recordOf(claim.items.find(({ id }) => id === record.id)!))).toEqual(whole(record))
    return true
  } finally {
    expect(await store.discard([record.id])).toBe(1)
  }
}

/** All of a record, comparable: one store gives Buffers, another has fields that are undefined. */
function whole(record: DeadLetterRecord): readonly string[] {
  const { body } = record.request
  return [
    recordToJson(record),
    ...[body, record.sealed?.data].map((bytes) => Buffer.from(bytes ?? []).toString('base64')),
  ]
}

const characters = ['a', 'é', '日', '😀', '\u0000', '\ud83d', '\udc00', '"', '\\', '\n', '\u202e', '%']
const length = (...lengths: number[]): fc.Arbitrary<number> =>
  fc.oneof(
    { weight: 4, arbitrary: fc.nat({ max: 40 }) },
    { weight: 2, arbitrary: fc.constantFrom(...lengths) },
  )
/** Text of one or of several characters, of lengths around the bounds. */
const text = (...lengths: number[]): fc.Arbitrary<string> =>
  fc
    .record({
      set: fc.uniqueArray(fc.constantFrom(...characters), { minLength: 1, maxLength: 3 }),
      length: length(...lengths),
    })
    .map(({ set, length }) =>
      set
        .join('')
        .repeat(Math.ceil(length / set.length))
        .slice(0, length),
    )

const name = fc.constantFrom(
  'via',
  'link',
  'x-request-id',
  'content-type',
  'authorization',
  'x-other',
  'cookie',
  '__proto__',
  'constructor',
)
const headers = fc
  .array(
    fc.record({
      name: fc.oneof(
        name,
        text(1024, 1025).map((end) => `x-request-id${end}`),
      ),
      value: text(65_536, 65_537, 300_000),
      times: fc.constantFrom(1, 1, 1, 3, 1000, 1001, 1200),
    }),
    { maxLength: 4 },
  )
  .map((some) =>
    some.flatMap(({ name, value, times }) =>
      Array.from({ length: Math.min(times, Math.ceil(2e6 / (value.length + 1))) }, (): [string, string] => [
        name,
        value,
      ]),
    ),
  )
const manyNames = fc
  .constantFrom(0, 0, 3, 999, 1000, 1001, 1500)
  .chain((count) =>
    fc
      .constantFrom('x-rate-limit-', 'x-unknown-', 'x-secret-')
      .map((prefix) => Array.from({ length: count }, (_, n): [string, string] => [`${prefix}${n}`, 'v'])),
  )
const url = fc
  .record({
    path: text(65_000, 70_000, 200_000),
    secrets: fc.constantFrom(0, 0, 1, 999, 1000, 1200),
    value: text(100),
  })
  .map(
    ({ path, secrets, value }) =>
      `https://user:pass@api.test/${path.replace(/[?#]/g, '')}?${Array.from({ length: secrets }, (_, n) => `token${n}=${value}`).join('&')}`,
  )
const labels = fc.option(
  fc
    .record({ count: fc.constantFrom(0, 1, 20, 1000, 1500), key: text(300, 5000), value: text(4096, 5000) })
    .map(({ count, key, value }) =>
      Object.fromEntries(
        Array.from({ length: value.length + key.length > 500 ? Math.min(count, 100) : count }, (_, n) => [
          `${key}${n}`,
          value,
        ]),
      ),
    ),
  { nil: undefined },
)

/** What programs throw, with causes and parts, wide and deep. */
const thrown = fc
  .record({
    depth: fc.nat({ max: 7 }),
    width: fc.nat({ max: 7 }),
    message: text(1000, 9000),
    code: text(256, 300),
    odd: fc.constantFrom(undefined, null, 7, Symbol('s'), Object.create(null) as object),
  })
  .map(({ depth, width, message, code, odd }) => {
    const make = (left: number): unknown => {
      if (left === 0) return odd
      const error = new AggregateError(
        left > 3 ? [make(left - 1)] : Array.from({ length: width }, () => make(left - 1)),
        message,
        { cause: make(left - 1) },
      )
      return Object.assign(error, { code, name: left % 2 === 0 ? code : 7 })
    }
    return make(depth)
  })

const facts: fc.Arbitrary<CapturedFacts> = fc
  .record({
    integration: text(256).map((one) => one || 'x'),
    method: fc.constantFrom('GET', 'POST', 'X'.repeat(70)),
    url,
    headers,
    manyNames,
    body: fc.constantFrom(
      Buffer.alloc(0),
      Buffer.from('{"a":1}'),
      Buffer.from('{"password":"x"}'),
      Buffer.alloc(1000, 0),
    ),
    idempotencyKey: fc.option(text(65_536, 65_537, 100_000), { nil: undefined }),
    orderingKey: fc.option(text(1024, 1025, 5000), { nil: undefined }),
    labels,
    history: fc.array(
      fc.record({ at: fc.nat(), ms: fc.double({ min: 0, max: 1e6, noNaN: true }), code: text(256, 300) }),
      { maxLength: 60 },
    ),
    response: fc.option(fc.record({ headers, body: text(8192, 131_072) }), { nil: undefined }),
    thrown,
  })
  .map((given) => ({
    ...capturedFacts,
    ...given,
    id: deadLetterId(),
    now: Date.now(),
    headers: [...given.headers, ...given.manyNames],
    body: { size: given.body.byteLength, complete: true, bytes: given.body },
    history: given.history,
    outcome:
      given.response === undefined
        ? errorOutcome(given.thrown, true)
        : responseOutcome(503, asIncoming(given.response.headers)),
    responseBody: given.response && {
      bytes: Buffer.from(given.response.body),
      truncated: false,
      max: 131_072,
    },
  }))

function asIncoming(pairs: readonly (readonly [string, string])[]): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = Object.create(null) as Record<string, string | string[]>
  for (const [name, value] of pairs) {
    const before = headers[name]
    headers[name] = before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value]
  }
  return headers
}

const seal = new Seal({ current: 'k', keys: { k: Buffer.alloc(32, 1) } })
const runs = Number(process.env['READABLE_RUNS'] ?? 40)

describe('a record that was made of a call', () => {
  it('is taken and given back whole by every store, whatever the call was', { timeout: 60_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(facts, fc.boolean(), async (given, isSealed) => {
        const record = recordOfCall(
          { ...given, id: deadLetterId() },
          defaultRules,
          isSealed ? seal : undefined,
        )
        expect(recordToJson(record).length).toBeLessThanOrEqual(MAX_RECORD_CHARS)
        expect(await isGivenBack(record)).toBe(true)
        // what replays must open can be opened
        if (record.sealed !== undefined) seal.open(record)
      }),
      { numRuns: runs, interruptAfterTimeLimit: 40_000 },
    )
  })

  const made = (changes: Partial<CapturedFacts>): DeadLetterRecord =>
    recordOfCall(
      { ...capturedFacts, id: deadLetterId(), now: Date.now(), ...changes },
      defaultRules,
      undefined,
    )

  it.each<[string, Partial<CapturedFacts>, Partial<DeadLetterRecord>]>([
    [
      '1,200 via headers of the response',
      {
        outcome: responseOutcome(503, asIncoming(Array.from({ length: 1200 }, () => ['via', 'p'] as const))),
      },
      { cut: ['response.headers'], replayable: true },
    ],
    [
      'a url over 64 KiB',
      { url: `https://a.test/${'x'.repeat(70_000)}` },
      { cut: ['request.url'], replayable: false, notReplayableReason: 'request-too-large' },
    ],
    [
      '1,200 secret query parameters',
      { url: `https://a.test/?${Array.from({ length: 1200 }, (_, n) => `token${n}=x`).join('&')}` },
      { cut: ['request.redactedQuery'], replayable: false, notReplayableReason: 'request-too-large' },
    ],
    [
      '1,200 headers that are not kept',
      { headers: Array.from({ length: 1200 }, (_, n): [string, string] => [`x-a${n}`, 'v']) },
      { cut: ['request.omittedHeaders'], replayable: false, notReplayableReason: 'request-too-large' },
    ],
    [
      '1,200 labels',
      { labels: Object.fromEntries(Array.from({ length: 1200 }, (_, n) => [`l${n}`, 'v'])) },
      { cut: ['labels'], replayable: true },
    ],
    [
      'a header over 64 KiB',
      { headers: [['via', 'x'.repeat(70_000)]] },
      { cut: ['request.headers'], replayable: true },
    ],
    [
      'an idempotency key over 64 KiB',
      { idempotencyKey: 'x'.repeat(70_000) },
      { cut: ['idempotencyKey'], replayable: false, notReplayableReason: 'request-too-large' },
    ],
    ['nothing that is too long', { labels: { a: 'b' } }, { replayable: true }],
  ])('with %s says what of it was cut', async (_what, changes, expected) => {
    const record = made(changes)
    expect(record).toMatchObject(expected)
    expect(await isGivenBack(record)).toBe(true)
  })

  it('says nothing of what was not cut', () => {
    expect(made({ labels: { a: 'b' }, headers: [['via', 'x']] }).cut).toBeUndefined()
  })

  it('names a header that was too long among those that a replay must be given', () => {
    const { request } = made({
      headers: [
        ['via', 'x'.repeat(70_000)],
        ['link', 'y'],
      ],
    })
    expect(request.headers).toEqual({ link: 'y' })
    expect(request.omittedHeaders).toEqual(['via'])
  })
})

describe('a record that a program has made', () => {
  const odd = fc.constantFrom<unknown>(
    undefined,
    NaN,
    -1,
    1.5,
    2 ** 60,
    Infinity,
    '',
    {},
    [],
    'x'.repeat(70_000),
    '\ud83d',
    '\u0000',
    true,
  )
  const fields = fc.constantFrom(
    'id',
    'integration',
    'timestamp',
    'firstAttemptAt',
    'reason',
    'delivery',
    'retryCount',
    'attempts',
    'history',
    'error',
    'replayable',
    'repeatable',
    'idempotencyKey',
    'orderingKey',
    'labels',
    'notBefore',
    'traceparent',
    'editedFrom',
    'response',
    'cut',
  )
  const inner = fc.constantFrom(
    'method',
    'url',
    'headers',
    'omittedHeaders',
    'redactedQuery',
    'bytes',
    'sha256',
    'bodyRedacted',
  )

  it('is refused, or given back whole, and by all stores alike', { timeout: 60_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.option(fields, { nil: undefined }),
        fc.option(inner, { nil: undefined }),
        odd,
        async (field, ofRequest, value) => {
          const record = makeRecord()
          const changed = {
            ...record,
            ...(field === undefined ? {} : { [field]: value }),
            request: { ...record.request, ...(ofRequest === undefined ? {} : { [ofRequest]: value }) },
          } as DeadLetterRecord
          await isGivenBack(changed, false)
        },
      ),
      { numRuns: runs * 4, interruptAfterTimeLimit: 40_000 },
    )
  })
})

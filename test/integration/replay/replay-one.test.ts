import { Agent, type Dispatcher } from 'undici'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { DeadLetterRecord } from '../../../src/dead-letter/record/record.ts'
import type { ReplayOneOptions, ReplayResult } from '../../../src/dead-letter/replay/one.ts'
import { replayDeadLetter, type ReplayClassifyOptions } from '../../../src/replay.ts'
import { makeRecord, type RecordChanges } from '../../../src/testing/contracts/records.ts'
import {
  ok,
  type Provider,
  reset,
  sha256,
  silence,
  startProvider,
  status,
} from '../../support/calls/provider.ts'

let provider: Provider
let agent: Dispatcher
beforeEach(async () => {
  provider = await startProvider(ok)
  agent = new Agent()
})
afterEach(async () => {
  await agent.destroy()
  await provider.close()
})

function letter(changes: RecordChanges = {}): DeadLetterRecord {
  return makeRecord({ ...changes, request: { url: `${provider.url}/contacts/1`, ...changes.request } })
}

function replay(
  record: DeadLetterRecord,
  options: Partial<ReplayOneOptions & ReplayClassifyOptions> = {},
): Promise<ReplayResult> {
  return replayDeadLetter(record, { allowedOrigins: [provider.url], dispatcher: agent, ...options })
}

const post = { request: { method: 'POST' } }

describe('replayDeadLetter', () => {
  it('sends the record as it was, with credentials, and is done', async () => {
    const result = await replay(letter({ idempotencyKey: 'k' }), {
      credentials: () => ({ authorization: 'Bearer new' }),
    })
    expect(result).toMatchObject({ outcome: 'done', reason: 'taken', statusCode: 200 })
    expect(provider.received[0]).toMatchObject({ method: 'PUT', sha256: sha256('{"name":"Ada"}') })
    expect(provider.received[0]!.headers).toMatchObject({
      authorization: 'Bearer new',
      'idempotency-key': 'k',
    })
  })

  it.each([
    [status(503), {}, { outcome: 'again', reason: 'outage', statusCode: 503 }],
    [status(408), {}, { outcome: 'again', reason: 'failed', statusCode: 408, state: { replayCount: 1 } }],
    [status(401), {}, { outcome: 'again', reason: 'credentials' }],
    [reset, {}, { outcome: 'again', reason: 'outage', code: 'ECONNRESET' }],
    [reset, post, { outcome: 'hold', reason: 'may-have-arrived' }],
    [silence, { options: { timeoutMs: 1_000 } }, { outcome: 'again', reason: 'outage', code: 'ERR_TIMEOUT' }],
    [status(422), {}, { outcome: 'never', reason: 'refused', statusCode: 422 }],
    [status(307, { location: '/x' }), {}, { outcome: 'never', reason: 'refused' }],
    [status(404), { request: { method: 'DELETE' } }, { outcome: 'done', reason: 'already-gone' }],
    [
      status(409),
      { ...post, idempotencyKey: 'k', delivery: 'unknown' },
      { outcome: 'again', reason: 'in-progress' },
    ],
  ] as const)('says what became of it, and what to do next (%#)', async (reply, given, expected) => {
    provider.replies = [reply]
    const { options, ...changes } = given as RecordChanges & { options?: Partial<ReplayOneOptions> }
    const result = await replay(letter(changes), options)
    expect(result).toMatchObject(expected)
    if (result.outcome === 'again') expect(result.afterMs).toBeGreaterThan(0)
    if (result.outcome !== 'done') expect(result.message).toBeTypeOf('string')
  })

  it('does not send what must wait, and says how long', async () => {
    expect(await replay(letter({ notBefore: Date.now() + 60_000 }))).toMatchObject({
      outcome: 'again',
      reason: 'not-due',
    })
    provider.replies = [status(429, { 'retry-after': '60' })]
    expect(await replay(letter())).toMatchObject({
      outcome: 'again',
      reason: 'rate-limited',
      afterMs: 60_000,
    })
    // the same provider, another record
    const next = await replay(letter())
    expect(next).toMatchObject({ outcome: 'again', reason: 'rate-limited' })
    expect((next as { afterMs: number }).afterMs).toBeGreaterThan(59_000)
    expect(provider.received).toHaveLength(1)
  })

  it('leaves a provider alone that is down, and asks again with the next when the wait is over', async () => {
    provider.replies = [status(503)]
    const quick = { initialBackoffMs: 3_000, maxBackoffMs: 3_000 }
    for (let n = 0; n < 10; n++) await replay(letter(), quick)
    expect(provider.received.length).toBeLessThan(5)
    provider.replies = [ok]
    await expect.poll(async () => (await replay(letter(), quick)).outcome).toBe('done')
  })

  it('counts replays that the record brings with it, and ends them', async () => {
    provider.replies = [status(408)]
    let record: DeadLetterRecord = letter()
    const results: ReplayResult[] = []
    for (let n = 0; n < 3; n++) {
      const result = await replay(record, { maxReplays: 3 })
      results.push(result)
      record = { ...record, ...result.state }
    }
    expect(results).toMatchObject([
      { outcome: 'again', state: { replayCount: 1 } },
      { outcome: 'again', state: { replayCount: 2 } },
      { outcome: 'never', reason: 'replays-used-up' },
    ])
  })

  it('sends nothing that is not to be sent', async () => {
    const asked: string[] = []
    const credentials = ({ id }: DeadLetterRecord) => (asked.push(id), {})
    const elsewhere = { request: { url: 'https://evil.example/' } }
    expect(await replay(letter(elsewhere), { credentials })).toMatchObject({
      outcome: 'never',
      reason: 'forged',
    })
    expect(asked).toEqual([])
    const exchanged = { request: { body: Buffer.from('{"name":"Eve"}'), sha256: sha256('{"name":"Ada"}') } }
    expect(await replay(letter(exchanged))).toMatchObject({ outcome: 'never', reason: 'forged' })
    expect(await replay(letter({ delivery: 'unknown', ...post }))).toMatchObject({
      outcome: 'hold',
      reason: 'may-have-arrived',
    })
    expect(await replay(letter({ replayable: false, notReplayableReason: 'body-too-large' }))).toMatchObject({
      outcome: 'never',
      reason: 'not-replayable',
    })
    const seal = { current: 'k', keys: { k: Buffer.alloc(32) } }
    expect(await replay(letter(), { seal, requireSeal: true })).toMatchObject({
      outcome: 'again',
      reason: 'missing',
      message: 'it has no seal, and `requireSeal` is set',
    })
    expect(await replay(letter({ request: { omittedHeaders: ['x-tenant'] } }))).toMatchObject({
      outcome: 'again',
      reason: 'missing',
    })
    expect(provider.received).toEqual([])
  })

  it.each([
    ['discard', { outcome: 'done', reason: 'discarded' }],
    ['hold', { outcome: 'hold', reason: 'decided' }],
  ] as const)('asks `decide`, which may say %s', async (decision, expected) => {
    expect(await replay(letter(), { decide: () => decision })).toMatchObject(expected)
    expect(provider.received).toEqual([])
  })

  it('goes by the verdict of `classify`', async () => {
    const result = await replay(letter(), {
      classify: ({ body }) => (body === 'ok' ? { kind: 'permanent', code: 'not_ok' } : undefined),
      inspectBody: { statusCodes: [200] },
    })
    expect(result).toMatchObject({ outcome: 'never', message: 'refused: answered 200 (not_ok)' })
  })

  it.each([
    ['another version', { version: 7 }],
    ['a field of a wrong type', { attempts: 'three' }],
    ['damaged replays', { replays: [{ outcome: 'perhaps' }] }],
    ['no request', { request: undefined }],
  ])('takes no harm from a message that is no dead letter: %s', async (_what, changes) => {
    expect(await replay({ ...letter(), ...changes } as never)).toMatchObject({
      outcome: 'never',
      reason: 'damaged',
      message: expect.stringMatching(/`\w+/) as string,
    })
  })

  it.each([
    [{ ids: ['a'] }, '`ids` is not an option here: it is one of replayDeadLetters()'],
    [{ concurrency: 2 }, '`concurrency` is not an option here'],
    [{ allowedOrigins: [] }, '`allowedOrigins` must name at least one origin'],
    [{ timeoutMs: 0 }, '`timeoutMs` must be an integer >= 1'],
    [{ decide: 'send' }, '`decide` must be a function'],
    [{ retry: 1 }, '`replayDeadLetter` has no option `retry`'],
  ])('refuses %j', async (options, message) => {
    await expect(replay(letter(), options as never)).rejects.toThrow(message)
  })

  it('refuses what is no record at all', async () => {
    await expect(replay('id' as never)).rejects.toThrow('`record` must be a dead letter, got "id"')
  })
})

describe('a record that the queue hands out again', () => {
  it('is held where it must not be sent twice: the consumer before may have sent it', async () => {
    const result = await replay(letter(post), { redelivered: true })
    expect(result).toMatchObject({ outcome: 'hold', reason: 'may-have-arrived', state: { replayCount: 1 } })
    expect(result.message).toContain('lost while sending')
    expect(provider.received).toEqual([])
  })

  it('comes back later where it may, and uses up a replay, so that one that kills its consumer ends', async () => {
    let record = letter({ ...post, idempotencyKey: 'k' })
    const options = { redelivered: true, maxReplays: 3, initialBackoffMs: 2000 }
    for (const count of [1, 2]) {
      const result = await replay(record, options)
      expect(result).toMatchObject({ outcome: 'again', reason: 'lapsed', state: { replayCount: count } })
      expect((result as { afterMs: number }).afterMs).toBeGreaterThanOrEqual(1000)
      record = { ...record, ...result.state }
    }
    expect(await replay(record, options)).toMatchObject({ outcome: 'never', reason: 'replays-used-up' })
    expect(provider.received).toEqual([])
    // by a consumer that lives it is sent
    expect(await replay(record)).toMatchObject({ outcome: 'done' })
  })
})

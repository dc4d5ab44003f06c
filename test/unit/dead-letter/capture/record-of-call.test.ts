import { describe, expect, it } from 'vitest'
import type { AttemptRecord } from '../../../../src/call/call-record.ts'
import { type CapturedFacts, recordOfCall } from '../../../../src/dead-letter/capture/record-of-call.ts'
import { isStorable } from '../../../../src/dead-letter/record/json.ts'
import type { DeadLetterRecord } from '../../../../src/dead-letter/record/record.ts'
import { isWithoutWords } from '../../../../src/dead-letter/record/redaction/large-body.ts'
import { defaultRules } from '../../../../src/dead-letter/record/redaction/rules.ts'
import { Seal } from '../../../../src/dead-letter/record/sealing.ts'
import {
  deliveryOfOutcome,
  errorOutcome,
  responseOutcome,
  type Outcome,
} from '../../../../src/http/outcome.ts'
import { capturedFacts } from '../../../support/dead-letters/captured-facts.ts'

const facts = capturedFacts
const NOW = facts.now
const TEN_YEARS = 10 * 365 * 24 * 3_600_000

function made(changes: Partial<CapturedFacts>, seal?: Seal): DeadLetterRecord {
  return recordOfCall({ ...facts, ...changes }, defaultRules, seal)
}

describe('the delivery of a call', () => {
  const failed = (error: object, started = true): Outcome =>
    errorOutcome(Object.assign(new Error('failed'), error), started)
  const refusedStream = failed({ code: 'ERR_HTTP2_STREAM_ERROR', http2ErrorCode: 7 })
  const noConnection = failed({ code: 'ETIMEDOUT', syscall: 'connect' })
  const reset = failed({ code: 'ECONNRESET' })
  const nameless = failed({})
  const open = failed({ code: 'ERR_CIRCUIT_OPEN' }, false)
  const unavailable = responseOutcome(503, {})
  const gatewayTimeout = responseOutcome(504, {})
  const knownTimeout = responseOutcome(504, {}, { delivery: 'responded' })

  /** As the retry layer and ours log it. */
  const attempt = (outcome: Outcome): AttemptRecord =>
    outcome.kind === 'response'
      ? { at: 1, ms: 1, statusCode: outcome.statusCode, delivery: deliveryOfOutcome(outcome) }
      : {
          at: 1,
          ms: 1,
          delivery: outcome.delivery,
          ...(outcome.code === undefined ? {} : { code: outcome.code }),
        }

  it.each([
    ['refused streams only', [refusedStream, refusedStream], 'not-sent'],
    ['connections that never stood', [noConnection, noConnection, noConnection], 'not-sent'],
    ['an error without a code among them', [nameless, noConnection], 'unknown'],
    ['a reset before a refused stream', [reset, refusedStream], 'unknown'],
    ['an answer before a refused stream', [unavailable, refusedStream], 'responded'],
    ['a reset before an answer', [reset, unavailable], 'unknown'],
    ['answers only', [unavailable, unavailable], 'responded'],
    ['a gateway that had no answer, before an answer', [gatewayTimeout, unavailable], 'unknown'],
    ['a gateway that had no answer', [gatewayTimeout], 'unknown'],
    ['a gateway of which a verdict knows better', [knownTimeout, knownTimeout], 'responded'],
  ] as const)('is the least certain of its attempts: %s', (_what, outcomes, delivery) => {
    const history = outcomes.map(attempt)
    expect(made({ history, outcome: outcomes.at(-1)!, attempts: outcomes.length }).delivery).toBe(delivery)
  })

  it('counts the attempt before a refusal by the circuit, which is none itself', () => {
    expect(made({ history: [attempt(reset)], outcome: open }).delivery).toBe('unknown')
    expect(made({ history: [attempt(unavailable)], outcome: open }).delivery).toBe('responded')
    expect(made({ history: [attempt(noConnection)], outcome: open }).delivery).toBe('not-sent')
  })

  it('goes by the code where the attempt does not say it', () => {
    const history = [{ at: 1, ms: 1, code: 'ECONNREFUSED' }]
    expect(made({ history, outcome: noConnection }).delivery).toBe('not-sent')
    expect(made({ history: [{ at: 1, ms: 1 }], outcome: noConnection }).delivery).toBe('unknown')
  })
})

describe('what a record is made of', () => {
  it.each([
    [NOW + 1000, NOW + 1000],
    [NOW + 1000.25, NOW + 1001],
    [NOW + 2 * TEN_YEARS, NOW + TEN_YEARS],
    [1e300, NOW + TEN_YEARS],
    [-5, 0],
    [Infinity, undefined],
    [NaN, undefined],
    ['2027-01-01', undefined],
  ])('keeps of a not-before time of %s what a store can keep', (notBefore, kept) => {
    const record = made({ givenUp: { reason: 'rate-limited', notBefore: notBefore as number } })
    expect(record.notBefore).toBe(kept)
    expect(isStorable(record)).toBe(true)
  })

  it('can be read back, however long its keys and labels are', () => {
    const long = 'k'.repeat(70_000)
    const record = made({
      orderingKey: long,
      idempotencyKey: 'k'.repeat(5000),
      labels: { order: long },
      headers: [['traceparent', 't'.repeat(600)]],
    })
    expect(isStorable(record)).toBe(true)
    expect(record.orderingKey).toBe(made({ orderingKey: long }).orderingKey)
    expect(record.orderingKey).not.toBe(made({ orderingKey: `${long}x` }).orderingKey)
    expect(made({ orderingKey: 7 as unknown as string }).orderingKey).toBe('7')
  })
})

describe('a body that is too much to be looked through', () => {
  const SECRET = 's3cr3t'
  const deep = '['.repeat(2000) + `{"password":"${SECRET}"}` + ']'.repeat(2000)
  const huge = `{"filler":"${'x'.repeat(4 * 1024 * 1024)}","password":"${SECRET}"}`
  const form = `filler=${'x'.repeat(4 * 1024 * 1024)}&password=${SECRET}`
  const seal = new Seal({ current: 'k1', keys: { k1: Buffer.alloc(32, 1).toString('base64') } })

  const withBody = (text: string, type: string): Partial<CapturedFacts> => ({
    headers: [['content-type', type]],
    body: { bytes: Buffer.from(text), size: Buffer.byteLength(text), complete: true },
  })

  it.each([
    ['deep JSON', deep, 'application/json'],
    ['huge JSON', huge, 'application/json'],
    ['a huge form', form, 'application/x-www-form-urlencoded'],
  ])('is not kept in the open, and replayable only when sealed: %s', (_what, text, type) => {
    const record = made(withBody(text, type))
    expect(record).toMatchObject({ replayable: false, notReplayableReason: 'body-redacted' })
    expect(record.request).toMatchObject({ bodyRedacted: true, bytes: Buffer.byteLength(text) })
    expect(record.request.body).toBeUndefined()
    expect(JSON.stringify(record)).not.toContain(SECRET)
    const sealed = made(withBody(text, type), seal)
    expect(sealed.replayable).toBe(true)
    expect(sealed.request.body).toBeUndefined()
    expect(Buffer.from(sealed.sealed!.data!).includes(SECRET)).toBe(false)
    expect(Buffer.from(seal.open(sealed).body!).toString()).toBe(text)
  })

  it('is kept as it is when no word in it tells of a secret', async () => {
    const text = huge.replace('password', 'passenger')
    const bodyWithoutWords = await isWithoutWords(Buffer.from(text), defaultRules)
    const record = made({ ...withBody(text, 'application/json'), bodyWithoutWords })
    expect(record).toMatchObject({ replayable: true })
    expect(Buffer.from(record.request.body!).equals(Buffer.from(text))).toBe(true)
  })

  it('holds nothing up: neither many quotes that never end nor four megabytes of JSON', () => {
    const quotes = '{"' + '\\"'.repeat(2_000_000)
    const large = JSON.stringify(Array.from({ length: 60_000 }, (_, i) => ({ name: `n${i}`, token: SECRET })))
    const began = performance.now()
    for (const text of [quotes, large]) made(withBody(text, 'application/json'))
    expect(performance.now() - began).toBeLessThan(10_000)
  })

  it('takes brackets in strings for what they are', () => {
    const text = JSON.stringify({ note: `"\\${'['.repeat(5000)}`, token: SECRET })
    const { request } = made(withBody(text, 'application/json'))
    expect(JSON.parse(Buffer.from(request.body!).toString())).toMatchObject({ token: '[redacted]' })
  })
})

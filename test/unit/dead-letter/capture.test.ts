import { describe, expect, it } from 'vitest'
import { responseOutcome } from '../../../src/call/outcome.ts'
import { type CapturedFacts, deadLetterOf } from '../../../src/dead-letter/capture.ts'
import type { DeadLetterRecord } from '../../../src/dead-letter/record.ts'
import { defaultRules } from '../../../src/dead-letter/redaction.ts'
import { Seal } from '../../../src/dead-letter/sealing.ts'

const NOW = 1_800_000_000_000

const facts: CapturedFacts = {
  id: 'id',
  name: 'crm',
  now: NOW,
  method: 'POST',
  url: 'https://a.test/',
  headers: [],
  body: { size: 0, complete: true },
  attempts: 1,
  history: [],
  givenUp: undefined,
  outcome: responseOutcome(503, {}),
  responseBody: undefined,
  repeatable: false,
  idempotencyKey: undefined,
  orderingKey: undefined,
  labels: undefined,
}

function made(changes: Partial<CapturedFacts>, seal?: Seal): DeadLetterRecord {
  return deadLetterOf({ ...facts, ...changes }, defaultRules, seal)
}

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
    expect(record).toMatchObject({ replayable: false, notReplayableReason: 'body_redacted' })
    expect(record.request).toMatchObject({ bodyRedacted: true, bytes: Buffer.byteLength(text) })
    expect(record.request.body).toBeUndefined()
    expect(JSON.stringify(record)).not.toContain(SECRET)
    const sealed = made(withBody(text, type), seal)
    expect(sealed.replayable).toBe(true)
    expect(sealed.request.body).toBeUndefined()
    expect(Buffer.from(sealed.sealed!.data!).includes(SECRET)).toBe(false)
    expect(Buffer.from(seal.open(sealed).body!).toString()).toBe(text)
  })

  it('is kept as it is when no word in it tells of a secret', () => {
    const text = huge.replace('password', 'passenger')
    expect(made(withBody(text, 'application/json'))).toMatchObject({ replayable: true })
  })

  it('holds nothing up: neither many quotes that never end nor four megabytes of JSON', () => {
    const quotes = '{"' + '\\"'.repeat(2_000_000)
    const large = JSON.stringify(Array.from({ length: 60_000 }, (_, i) => ({ name: `n${i}`, token: SECRET })))
    const began = performance.now()
    for (const text of [quotes, large]) made(withBody(text, 'application/json'))
    expect(performance.now() - began).toBeLessThan(2000)
  })

  it('takes brackets in strings for what they are', () => {
    const text = JSON.stringify({ note: `"\\${'['.repeat(5000)}`, token: SECRET })
    const { request } = made(withBody(text, 'application/json'))
    expect(JSON.parse(Buffer.from(request.body!).toString())).toMatchObject({ token: '[redacted]' })
  })
})

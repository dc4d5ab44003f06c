import { describe, expect, it } from 'vitest'
import type { DeadLetterReplay } from '../../../../../src/dead-letter/record/record.ts'
import { holdBack, type HoldRules } from '../../../../../src/dead-letter/replay/entry/hold-back.ts'
import { entry, NOW, post, put, requests } from '../../../../support/dead-letters/replay-entries.ts'

const HOUR = 3_600_000
describe('what is held back before it is sent', () => {
  const rules: HoldRules = { unknownDelivery: 'hold', idempotencyKeyLifetimeMs: 24 * HOUR }
  const held = (changes: Parameters<typeof entry>[0], more: Partial<HoldRules> = {}): string | undefined =>
    holdBack(entry(changes), { ...rules, ...more }, NOW)?.note
  const hoursAgo = (hours: number): { delivery: 'unknown'; firstAttemptAt: number } => ({
    delivery: 'unknown',
    firstAttemptAt: NOW - hours * HOUR,
  })

  it.each(requests)('%s that may have arrived, unless it may be sent twice', (_what, changes, repeatable) => {
    const note = held({ ...changes, delivery: 'unknown', firstAttemptAt: NOW })
    if (repeatable) expect(note).toBeUndefined()
    else expect(note).toBe('it may have arrived, is not repeatable and has no idempotency key')
  })

  it.each(requests)('not %s that was answered, or surely was not sent', (_what, changes) => {
    expect(held({ ...changes, delivery: 'responded' })).toBeUndefined()
    expect(held({ ...changes, delivery: 'not-sent' })).toBeUndefined()
  })

  it.each(requests)('not %s when a person or a program said `replay`', (_what, changes) => {
    expect(held({ ...changes, delivery: 'unknown' }, { unknownDelivery: 'replay' })).toBeUndefined()
  })

  it.each([
    ['a POST', post, true],
    ['a POST that the retry layer may repeat', { ...post, repeatable: true }, false],
    ['a PUT', put, false],
    ['a PUT that the retry layer must not repeat', { ...put, repeatable: false }, true],
  ] as const)('%s with a key that the provider may have forgotten: %s', (_what, changes, isHeld) => {
    const keyed = { ...changes, idempotencyKey: 'k' }
    expect(held({ ...keyed, ...hoursAgo(24) })).toBeUndefined()
    const note = held({ ...keyed, ...hoursAgo(25) })
    if (isHeld) expect(note).toMatch(/key was first sent over 86400000 ms ago/)
    else expect(note).toBeUndefined()
    expect(held({ ...keyed, ...hoursAgo(1000) }, { idempotencyKeyLifetimeMs: Infinity })).toBeUndefined()
  })

  it('counts the life of a key from the first replay that may have arrived, where no attempt did', () => {
    const keyed = { ...post, delivery: 'not-sent' as const, idempotencyKey: 'k' }
    const at = NOW - 25 * HOUR
    const replays = (...outcomes: Partial<DeadLetterReplay>[]): { replays: DeadLetterReplay[] } => ({
      replays: outcomes.map((one) => ({ at, outcome: 'failed', ...one })),
    })
    expect(held({ ...keyed, ...replays({ outcome: 'lapsed' }) })).toMatch(/first sent over/)
    expect(held({ ...keyed, ...replays({ code: 'ECONNRESET' }) })).toMatch(/first sent over/)
    expect(held({ ...keyed, ...replays({ statusCode: 503 }) })).toBeUndefined()
    expect(held({ ...keyed, ...replays({ statusCode: 504 }) })).toMatch(/first sent over/)
    expect(held({ ...keyed, ...replays({ outcome: 'refused', code: 'ECONNREFUSED' }) })).toBeUndefined()
    expect(held({ ...keyed, ...replays({ at: NOW - HOUR, code: 'ECONNRESET' }) })).toBeUndefined()
  })

  it('without a key goes by the capture alone: what became of a replay a person has seen', () => {
    const lapsed = { replays: [{ at: NOW, outcome: 'lapsed' as const }] }
    expect(held({ ...post, delivery: 'responded', ...lapsed })).toBeUndefined()
  })

  it('counts from the capture where the first attempt is not known', () => {
    const keyed = { ...post, delivery: 'unknown' as const, idempotencyKey: 'k', firstAttemptAt: undefined }
    expect(held({ ...keyed, timestamp: NOW - 25 * HOUR })).toMatch(/first sent over/)
    expect(held({ ...keyed, timestamp: NOW - 23 * HOUR })).toBeUndefined()
  })

  it('says why in the entry, as a replay that sent nothing', () => {
    expect(holdBack(entry({ ...post, delivery: 'unknown' }), rules, NOW)).toMatchObject({
      outcome: 'in-doubt',
      replay: { at: NOW, outcome: 'refused' },
    })
  })
})

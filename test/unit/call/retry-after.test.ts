import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseReset, parseRetryAfter, retryAfterOf } from '../../../src/call/retry-after.ts'

const now = Date.UTC(2026, 10, 24, 12, 0, 0)

describe('parseRetryAfter', () => {
  it.each([
    ['0', 0],
    ['120', 120_000],
    [' 7 ', 7_000],
    ['1.5', 1_500],
    ['Tue, 24 Nov 2026 12:00:30 GMT', 30_000],
    ['Tuesday, 24-Nov-26 12:00:30 GMT', 30_000],
    ['Tue Nov 24 12:00:30 2026', 30_000],
    ['Tue, 24 Nov 2026 11:00:00 GMT', 0],
  ])('reads %s as a wait of %i ms', (value, wait) => {
    expect(parseRetryAfter(value, now)).toBe(wait)
  })

  it.each([
    '',
    '-5',
    'soon',
    '1e3',
    '0x10',
    '12 seconds',
    'Tue, 99 Nov 2026 12:00:30 GMT',
    '2026-11-24',
    'NaN',
    'Infinity',
  ])('takes %j for no wait at all', (value) => {
    expect(parseRetryAfter(value, now)).toBeUndefined()
  })

  it('never throws and never gives a negative wait, whatever the provider sends', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.date().map(String)), (value) => {
        const wait = parseRetryAfter(value, now)
        expect(wait === undefined || wait >= 0).toBe(true)
      }),
    )
  })

  it('is never earlier than the second or the date that was asked for', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 3e8 }), (seconds) => {
        expect(parseRetryAfter(String(seconds), now)).toBe(seconds * 1000)
        const date = new Date(now + (seconds % 1e7) * 1000)
        expect(now + (parseRetryAfter(date.toUTCString(), now) ?? -1)).toBeGreaterThanOrEqual(date.getTime())
      }),
    )
  })
})

it('takes an absurd wait for ten years, so that the time to come back stays a date', () => {
  for (const absurd of ['99999999999999999999', '9'.repeat(400)]) {
    expect(parseRetryAfter(absurd, now)).toBe(315_360_000_000)
    expect(parseReset(absurd, now)).toBe(315_360_000_000)
  }
})

describe('parseReset', () => {
  it('tells seconds from now, epoch seconds and epoch milliseconds apart by their size', () => {
    expect(parseReset('60', now)).toBe(60_000)
    expect(parseReset(String(now / 1000 + 60), now)).toBe(60_000)
    expect(parseReset(String(now + 60_000), now)).toBe(60_000)
    expect(parseReset(String(now - 60_000), now)).toBe(0)
    expect(parseReset('tomorrow', now)).toBeUndefined()
  })
})

describe('retryAfterOf', () => {
  it('takes the longest of several Retry-After headers', () => {
    expect(retryAfterOf(503, { 'retry-after': ['1', '3', 'x'] as never }, now)).toBe(3_000)
  })

  it('counts a date from the clock of the server that sent it, where it tells that clock', () => {
    const behind = new Date(now - 30_000).toUTCString()
    const due = new Date(now - 28_000).toUTCString()
    expect(retryAfterOf(503, { 'retry-after': due, date: behind }, now)).toBe(2_000)
    expect(retryAfterOf(503, { 'retry-after': due }, now)).toBe(0)
    expect(retryAfterOf(503, { 'retry-after': due, date: 'now' }, now)).toBe(0)
  })

  it('reads a reset header on 429 only, and only without Retry-After', () => {
    expect(retryAfterOf(429, { 'x-ratelimit-reset': '9' }, now)).toBe(9_000)
    expect(retryAfterOf(429, { 'x-ratelimit-reset': '9', 'retry-after': '2' }, now)).toBe(2_000)
    expect(retryAfterOf(503, { 'x-ratelimit-reset': '9' }, now)).toBeUndefined()
  })
})

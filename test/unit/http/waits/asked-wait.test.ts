import type { IncomingHttpHeaders } from 'node:http'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { askedWaitOf } from '../../../../src/http/waits/asked-wait.ts'

const now = Date.UTC(2026, 10, 24, 12, 0, 0)
const TEN_YEARS_MS = 315_360_000_000

const wait = (statusCode: number, headers: IncomingHttpHeaders) => askedWaitOf(statusCode, headers, now)

describe('Retry-After', () => {
  it.each([
    ['0', 0],
    ['120', 120_000],
    [' 7 ', 7_000],
    ['1.5', 1_500],
    ['60s', 60_000],
    ['250ms', 250],
    ['1h2m3s', 3_723_000],
    ['1, 1', 1_000],
    ['120, 120', 120_000],
    ['1, 3, x', 3_000],
    [String(now / 1000 + 30), 30_000],
    [String(now + 30_000), 30_000],
    ['2026-11-24T12:00:30Z', 30_000],
    ['2026-11-24t12:00:30.250z', 30_250],
    ['2026-11-24T14:00:30+02:00', 30_000],
    ['2026-11-24T06:30:30-0530', 30_000],
    ['2026-11-24 12:00:30', 30_000],
    ['Tue, 24 Nov 2026 12:00:30 GMT', 30_000],
    ['Tue, 24 Nov 2026 12:00:30 GMT, Tue, 24 Nov 2026 12:00:30 GMT', 30_000],
    ['Tue, 24 Nov 2026 12:00:30 UTC', 30_000],
    ['Tue, 24 Nov 2026 14:00:30 +0200', 30_000],
    ['Tue, 24 Nov 2026 07:00:30 EST', 30_000],
    ['Tue, 24 Nov 2026 04:00:30 PST', 30_000],
    ['24 Nov 2026 12:00:30 GMT', 30_000],
    ['Tuesday, 24-Nov-26 12:00:30 GMT', 30_000],
    ['Tue Nov 24 12:00:30 2026', 30_000],
    ['Tue, 1 Dec 2026 12:00:30 GMT', 7 * 86_400_000 + 30_000],
    ['Tue Dec  1 12:00:30 2026', 7 * 86_400_000 + 30_000],
    ['Tue, 24 Nov 2026 11:00:00 GMT', 0],
    ['1700000000', 0],
  ])('of %j is a wait of %i ms', (value, ms) => {
    expect(wait(503, { 'retry-after': value })).toBe(ms)
  })

  it.each([
    '',
    ',',
    '-5',
    'soon',
    '1e3',
    '0x10',
    '12 seconds',
    '5x',
    's',
    'NaN',
    'Infinity',
    'Tue, 99 Nov 2026 12:00:30 GMT',
    'Tue, 30 Feb 2026 12:00:30 GMT',
    'Tue, 24 Nov 2026 25:00:30 GMT',
    'Tue, 24 Nov 2026 12:00:30 XYZ',
    '2026-11-24',
    '2026-13-24T12:00:30Z',
  ])('of %j is no wait at all', (value) => {
    expect(wait(503, { 'retry-after': value })).toBeUndefined()
  })

  it('holds for every status, and the longest of several', () => {
    expect(wait(404, { 'retry-after': '2' })).toBe(2_000)
    expect(wait(503, { 'retry-after': ['1', '3', 'x'] as never })).toBe(3_000)
    expect(wait(429, { 'retry-after': '2', 'x-ratelimit-reset': '9' })).toBe(2_000)
  })

  it('is also read in milliseconds, and never undercut by the finer of both', () => {
    expect(wait(429, { 'retry-after-ms': '43' })).toBe(43)
    expect(wait(503, { 'x-ms-retry-after-ms': '1500.5' })).toBe(1_501)
    expect(wait(429, { 'retry-after-ms': '43', 'retry-after': '1' })).toBe(1_000)
    expect(wait(429, { 'retry-after-ms': 'soon', 'retry-after': '1' })).toBe(1_000)
  })

  it('of an absurd length is one of ten years, so that the time to come back stays a date', () => {
    for (const absurd of ['400000000', '99999999999999999999', '9'.repeat(400), '9999-01-01T00:00:00Z']) {
      expect(wait(503, { 'retry-after': absurd })).toBe(TEN_YEARS_MS)
      expect(wait(429, { 'x-ratelimit-reset': absurd })).toBe(TEN_YEARS_MS)
    }
  })
})

describe('a moment', () => {
  const behind = new Date(now - 30_000).toUTCString()
  const due = now - 28_000

  it.each([
    ['an HTTP date', 'retry-after', new Date(due).toUTCString()],
    ['an epoch in Retry-After', 'retry-after', String(due / 1000)],
    ['an epoch in a reset', 'x-ratelimit-reset', String(due / 1000)],
    ['milliseconds of an epoch in a reset', 'x-ratelimit-reset', String(due)],
    ['an RFC 3339 date in a reset', 'x-ratelimit-reset', new Date(due).toISOString()],
  ])('is one of the clock of the server, where that tells it: %s', (_what, name, value) => {
    expect(wait(429, { [name]: value, date: behind })).toBe(2_000)
    expect(wait(429, { [name]: value })).toBe(0)
    expect(wait(429, { [name]: value, date: 'now' })).toBe(0)
  })
})

describe('a reset', () => {
  it.each([
    ['x-ratelimit-reset', '60', 60_000],
    ['ratelimit-reset', '60', 60_000],
    ['x-rate-limit-reset', String(now / 1000 + 60), 60_000],
    ['x-ratelimit-reset', String(now + 60_000), 60_000],
    ['x-ratelimit-reset', String(now - 60_000), 0],
    ['x-ratelimit-reset', '2026-11-24T12:01:00Z', 60_000],
    ['x-ratelimit-reset-after', '1.25', 1_250],
    ['x-ratelimit-reset-requests', '12ms', 12],
    ['x-ratelimit-reset-tokens', '6m0s', 360_000],
    ['x-ratelimit-reset-tokens', '1m30.951s', 90_951],
    ['x-ratelimit-requests-reset', String(now + 5_000), 5_000],
    ['x-ratelimit-reset-default', '42', 42_000],
    ['anthropic-ratelimit-requests-reset', '2026-11-24T12:00:05Z', 5_000],
    ['ratelimit', '"d";r=0;t=5', 5_000],
    ['ratelimit', 'limit=10, remaining=0, reset=5', 5_000],
  ])('in %s: %s is a wait of %s', (name, value, ms) => {
    expect(wait(429, { [name]: value })).toBe(ms)
    // elsewhere it only says when there will be more of what there still is
    expect(wait(503, { [name]: value })).toBeUndefined()
  })

  it.each([
    ['x-ratelimit-reset', 'tomorrow'],
    ['x-ratelimit-limit', '100'],
    ['x-reset', '5'],
    ['x-preset-ratelimiter', '5'],
    ['ratelimit', '"d";r=0'],
    ['ratelimit', '"d";r=0;t=-5'],
    ['ratelimit', '"d;r=0;t=5'],
    ['ratelimit', ';;=,'],
  ])('is not in %s: %s', (name, value) => {
    expect(wait(429, { [name]: value })).toBeUndefined()
  })

  it('of the limit that is used up goes before those of others, however late', () => {
    const requests = { 'x-ratelimit-remaining-requests': '59', 'x-ratelimit-reset-requests': '6m0s' }
    const tokens = { 'x-ratelimit-remaining-tokens': '0', 'x-ratelimit-reset-tokens': '4s' }
    expect(wait(429, { ...requests, ...tokens })).toBe(4_000)
    expect(wait(429, { ratelimit: '"burst";r=0;t=5, "daily";r=700;t=3600' })).toBe(5_000)
    expect(
      wait(429, {
        'anthropic-ratelimit-requests-remaining': '9',
        'anthropic-ratelimit-requests-reset': '2026-11-24T12:01:00Z',
        'anthropic-ratelimit-input-tokens-remaining': '0',
        'anthropic-ratelimit-input-tokens-reset': '2026-11-24T12:00:02Z',
      }),
    ).toBe(2_000)
  })

  it('that comes last holds where several limits are used up, or none says that it is', () => {
    expect(wait(429, { ratelimit: '"burst";r=0;t=5, "daily";r=0;t=3600' })).toBe(3_600_000)
    expect(wait(429, { 'x-ratelimit-reset-requests': '1s', 'x-ratelimit-reset-tokens': '6s' })).toBe(6_000)
    expect(
      wait(429, {
        'x-ratelimit-remaining': '0',
        'x-ratelimit-reset': String(now / 1000 + 1),
        'x-ratelimit-reset-after': '1.5',
      }),
    ).toBe(1_500)
  })
})

describe('whatever a provider sends', () => {
  const anyText = fc.oneof(
    fc.string(),
    fc.string({ unit: 'binary' }),
    fc.date().map(String),
    fc.double().map(String),
    fc.stringMatching(/^[0-9.,:;="+ -]*[smhdTZ]?$/),
    fc.stringMatching(/^[A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [A-Z+]{1,4}$/),
  )
  const names = [
    'retry-after',
    'retry-after-ms',
    'date',
    'ratelimit',
    'ratelimit-reset',
    'x-ratelimit-reset',
    'x-ratelimit-remaining',
    'x-rate-limit-reset-after',
    'a-ratelimit-b-reset',
    'a-ratelimit-b-remaining',
  ]
  const anyHeaders = fc.dictionary(
    fc.constantFrom(...names),
    fc.oneof(anyText, fc.array(anyText, { maxLength: 3 })),
  ) as fc.Arbitrary<IncomingHttpHeaders>

  it('is a wait of none to ten years, or none, and never an error', () => {
    fc.assert(
      fc.property(anyHeaders, fc.constantFrom(200, 429, 503), (headers, statusCode) => {
        const ms = wait(statusCode, headers)
        expect(ms === undefined || (ms >= 0 && ms <= TEN_YEARS_MS && Number.isFinite(ms))).toBe(true)
      }),
      { numRuns: 2_000 },
    )
  })

  it('is never earlier than it asked, in any shape, however its clock and garbage beside it', () => {
    const shapes: Record<string, (at: number, seconds: number) => [string, string]> = {
      seconds: (_at, seconds) => ['retry-after', String(seconds)],
      'joined seconds': (_at, seconds) => ['retry-after', `${seconds}, ${seconds}`],
      duration: (_at, seconds) => ['retry-after', `${seconds}s`],
      hours: (_at, seconds) => [
        'x-ratelimit-reset',
        `${Math.floor(seconds / 3600)}h${Math.floor((seconds % 3600) / 60)}m${seconds % 60}s`,
      ],
      milliseconds: (_at, seconds) => ['retry-after-ms', String(seconds * 1000)],
      'HTTP date': (at) => ['retry-after', new Date(at).toUTCString()],
      ISO: (at) => ['x-ratelimit-reset', new Date(at).toISOString()],
      epoch: (at) => ['x-rate-limit-reset', String(at / 1000)],
      'epoch ms': (at) => ['x-ratelimit-reset', String(at)],
      structured: (_at, seconds) => ['ratelimit', `"d";r=0;t=${seconds}`],
    }
    fc.assert(
      fc.property(
        fc.constantFrom(...Object.keys(shapes)),
        fc.integer({ min: 0, max: 3e8 }),
        // a clock that is wrong by up to a year
        fc.integer({ min: -3e7, max: 3e7 }),
        fc.string().filter((text) => !/\d/.test(text)),
        (shape, seconds, skew, garbage) => {
          const serverNow = now + skew * 1000
          const [name, value] = shapes[shape]!(serverNow + seconds * 1000, seconds)
          const headers = { [name]: [value, garbage], date: new Date(serverNow).toUTCString() }
          expect(wait(429, headers as never)).toBe(seconds * 1000)
        },
      ),
      { numRuns: 2_000 },
    )
  })

  it('is read in time that grows with its length alone', () => {
    const values = ['1,'.repeat(8_000), '9'.repeat(16_000), '1m'.repeat(8_000), '"a;'.repeat(5_000)]
    const times = Array.from({ length: 3 }, () => {
      const started = performance.now()
      for (const long of values) {
        for (const name of ['retry-after', 'ratelimit', 'x-ratelimit-reset']) wait(429, { [name]: long })
      }
      return performance.now() - started
    })
    // the best of three: the machine has other work too
    expect(Math.min(...times)).toBeLessThan(1_000)
  })
})

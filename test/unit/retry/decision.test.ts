import { describe, expect, it } from 'vitest'
import { resolveOptions } from '../../../src/checks.ts'
import { isCapturedByDefault } from '../../../src/dead-letter/capture/captured-by-default.ts'
import { errorOutcome, responseOutcome } from '../../../src/http/outcome.ts'
import { decideRetry, type RetryFacts } from '../../../src/retry/decision.ts'
import { retryChecks } from '../../../src/retry/options.ts'

const policy = resolveOptions('retry', retryChecks, { jitter: 'none' })
const facts = (overrides: Partial<RetryFacts>): RetryFacts => ({
  outcome: responseOutcome(503, {}),
  attempt: 1,
  repeatable: true,
  bodyRereadable: true,
  previousDelayMs: 0,
  remainingMs: Infinity,
  now: 0,
  random: 0.5,
  ...overrides,
})
const networkError = (code: string, started = true) =>
  errorOutcome(Object.assign(new Error(code), { code }), started)

describe('decideRetry', () => {
  const transient = [408, 425, 429, 500, 501, 502, 503, 504, 520, 521, 522, 523, 524, 529]
  it.each(transient)('tries an idempotent request again after %i, and captures it when used up', (code) => {
    expect(decideRetry(policy, facts({ outcome: responseOutcome(code, {}) }))).toMatchObject({
      retry: true,
      delayMs: 500,
    })
    expect(isCapturedByDefault(responseOutcome(code, {}))).toBe(true)
  })

  it('tries again after these statuses by default, and after no other', () => {
    expect([...policy.statusCodes]).toEqual(transient)
  })

  it.each([200, 301, 400, 401, 403, 404, 409, 422, 505, 525, 526, 530])('takes %i as the answer', (code) => {
    expect(decideRetry(policy, facts({ outcome: responseOutcome(code, {}) }))).toEqual({ retry: false })
  })

  it.each([...policy.errorCodes].filter((code) => code !== 'ENOENT'))(
    'tries an idempotent request again after %s',
    (code) => {
      expect(decideRetry(policy, facts({ outcome: networkError(code) })).retry).toBe(true)
    },
  )

  it('tries again after ENOENT of a unix socket, and not after that of a file', () => {
    const outcome = (syscall: string) =>
      errorOutcome(Object.assign(new Error('x'), { code: 'ENOENT', syscall }), false, true)
    expect(decideRetry(policy, facts({ outcome: outcome('connect') })).retry).toBe(true)
    expect(decideRetry(policy, facts({ outcome: outcome('open') })).retry).toBe(false)
  })

  it('takes a certificate error as final', () => {
    expect(decideRetry(policy, facts({ outcome: networkError('CERT_HAS_EXPIRED') }))).toEqual({
      retry: false,
    })
  })

  it('finds the code in the cause of an error and in the parts of an AggregateError', () => {
    const nested = new TypeError('fetch failed', {
      cause: Object.assign(new Error('x'), { code: 'ECONNRESET' }),
    })
    const aggregate = new AggregateError([Object.assign(new Error('x'), { code: 'ECONNREFUSED' })])
    expect(decideRetry(policy, facts({ outcome: errorOutcome(nested, true) })).retry).toBe(true)
    expect(decideRetry(policy, facts({ outcome: errorOutcome(aggregate, false) })).retry).toBe(true)
  })

  it.each([
    ['a 500', responseOutcome(500, {}), false],
    ['a 503 with Retry-After', responseOutcome(503, { 'retry-after': '1' }), false],
    ['a 429', responseOutcome(429, {}), true],
    ['a 425, which APIs also use for what they have begun', responseOutcome(425, {}), false],
    ['a 529', responseOutcome(529, {}), false],
    ['a reset', networkError('ECONNRESET'), false],
    ['a timeout after the connection stood', networkError('ERR_TIMEOUT', true), false],
    ['a timeout while it still waited for a connection', networkError('ERR_TIMEOUT', false), true],
    ['a refused connection', networkError('ECONNREFUSED', false), true],
    ['a name that does not resolve', networkError('ENOTFOUND', false), true],
    ['a connect timeout', networkError('UND_ERR_CONNECT_TIMEOUT', false), true],
    ['a reset before the connection was ours (it may be a mock)', networkError('ECONNRESET', false), false],
  ])(
    'after %s a request that is not idempotent goes again only if the server surely did not act',
    (_what, outcome, again) => {
      const decision = decideRetry(policy, facts({ outcome, repeatable: false }))
      expect(decision.retry).toBe(again)
      if (!again) {
        expect(decision).toMatchObject({
          givenUp: {
            reason: 'not-repeatable',
            why: 'the server may have acted on it; with an idempotency key it is retried',
          },
        })
      }
    },
  )

  it('takes an HTTP/2 stream refused by the server for one that it did not act on', () => {
    const refused = Object.assign(new Error('x'), { code: 'ERR_HTTP2_STREAM_ERROR', http2ErrorCode: 7 })
    expect(
      decideRetry(policy, facts({ outcome: errorOutcome(refused, true), repeatable: false })).retry,
    ).toBe(true)
  })

  it('ends after the last attempt', () => {
    expect(decideRetry(policy, facts({ attempt: 5 }))).toMatchObject({
      retry: false,
      givenUp: { reason: 'exhausted' },
    })
  })

  it('never sends a body again that it cannot send whole', () => {
    expect(decideRetry(policy, facts({ bodyRereadable: false }))).toMatchObject({
      givenUp: {
        reason: 'not-repeatable',
        why: expect.stringContaining('its body is not there any more') as string,
      },
    })
  })

  it('takes from the budget what goes by its own time, and not what goes when the provider said', () => {
    const of = (outcome: RetryFacts['outcome']) => decideRetry(policy, facts({ outcome }))
    expect(of(responseOutcome(503, {}))).toMatchObject({ retry: true, costs: true })
    expect(of(networkError('ECONNRESET'))).toMatchObject({ retry: true, costs: true })
    expect(of(responseOutcome(429, {}))).toMatchObject({ retry: true, costs: true })
    expect(of(responseOutcome(503, { 'retry-after': '0' }))).toMatchObject({ retry: true, costs: true })
    expect(of(responseOutcome(429, { 'retry-after': '1' }))).toMatchObject({ retry: true, costs: false })
  })

  it('waits as long as the provider asks, however short its own backoff is', () => {
    const outcome = responseOutcome(503, { 'retry-after': '20' })
    expect(decideRetry(policy, facts({ outcome }))).toEqual({
      retry: true,
      delayMs: 20_000,
      costs: false,
      retryAfterMs: 20_000,
    })
  })

  it('ends the call, with the time to come back, when the provider asks for longer than it may', () => {
    const outcome = responseOutcome(429, { 'retry-after': '61' })
    expect(decideRetry(policy, facts({ outcome, now: 1_000 }))).toEqual({
      retry: false,
      givenUp: {
        reason: 'rate-limited',
        notBefore: 62_000,
        why: 'the provider asked for a longer wait than `retry.maxRetryAfterMs`',
      },
    })
  })

  it('ends the call rather than waiting into its deadline', () => {
    expect(decideRetry(policy, facts({ remainingMs: 500 }))).toMatchObject({
      givenUp: { reason: 'deadline' },
    })
    expect(decideRetry(policy, facts({ remainingMs: 501 })).retry).toBe(true)
  })

  it('ends the call at an open circuit', () => {
    expect(decideRetry(policy, facts({ outcome: networkError('ERR_CIRCUIT_OPEN', false) }))).toMatchObject({
      givenUp: { reason: 'circuit-open' },
    })
  })

  it('ends the call at a full bulkhead, which no provider asked to wait for', () => {
    expect(decideRetry(policy, facts({ outcome: networkError('ERR_BULKHEAD_FULL', false) }))).toEqual({
      retry: false,
      givenUp: {
        reason: 'rate-limited',
        notBefore: undefined,
        why: 'a rate limit or bulkhead had no room for it in time',
      },
    })
  })

  it('lets the verdict of the classify hook stand over the status', () => {
    const with_ = (kind: 'permanent' | 'transient' | 'rate-limited', extra = {}) =>
      decideRetry(policy, facts({ outcome: responseOutcome(500, {}, { kind, ...extra }), repeatable: false }))
    expect(with_('permanent')).toEqual({ retry: false })
    expect(with_('transient')).toMatchObject({ givenUp: { reason: 'not-repeatable' } })
    expect(with_('rate-limited', { retryAfterMs: 9_000 })).toMatchObject({ retry: true, delayMs: 9_000 })
    expect(with_('transient', { safeToRetry: true }).retry).toBe(true)
    expect(with_('rate-limited', { notBefore: 5 })).toEqual({
      retry: false,
      givenUp: {
        reason: 'rate-limited',
        notBefore: 5,
        why: 'its quota is used up until the time that the provider says',
      },
    })
  })

  it('never undercuts Retry-After, even when a verdict asks for less', () => {
    const outcome = responseOutcome(
      429,
      { 'retry-after': '5' },
      { kind: 'rate-limited', retryAfterMs: 1_000 },
    )
    expect(decideRetry(policy, facts({ outcome }))).toMatchObject({ delayMs: 5_000 })
    const fine = responseOutcome(
      429,
      { 'retry-after-ms': '5000', 'x-ratelimit-reset': '60' },
      { kind: 'rate-limited', retryAfterMs: 1_000 },
    )
    expect(decideRetry(policy, facts({ outcome: fine }))).toMatchObject({ delayMs: 5_000 })
  })

  it('goes by what isRetryableError said before it looks at the code', () => {
    const odd = errorOutcome(new Error('odd'), true)
    expect(decideRetry(policy, facts({ outcome: odd })).retry).toBe(false)
    expect(decideRetry(policy, facts({ outcome: odd, retryableError: true })).retry).toBe(true)
    expect(
      decideRetry(policy, facts({ outcome: networkError('ECONNRESET'), retryableError: false })).retry,
    ).toBe(false)
  })

  it('judges an error that an interceptor made of a response by its status and headers', () => {
    const of = (statusCode: number, headers = {}) =>
      errorOutcome(Object.assign(new Error('x'), { code: 'UND_ERR_RESPONSE', statusCode, headers }), true)
    const limited = of(429, { 'Retry-After': '7', 'x-ratelimit-reset': ['1', '9'] })
    expect(decideRetry(policy, facts({ outcome: limited, repeatable: false }))).toMatchObject({
      retry: true,
      delayMs: 7_000,
      retryAfterMs: 7_000,
    })
    expect(decideRetry(policy, facts({ outcome: of(503, { 'retry-after': '61' }) }))).toMatchObject({
      givenUp: { reason: 'rate-limited', notBefore: 61_000 },
    })
    expect(isCapturedByDefault(of(404))).toBe(false)
    expect(isCapturedByDefault(of(503))).toBe(true)
    expect(decideRetry(policy, facts({ outcome: of(503) })).retry).toBe(true)
    expect(decideRetry(policy, facts({ outcome: of(404) }))).toEqual({ retry: false })
  })
})

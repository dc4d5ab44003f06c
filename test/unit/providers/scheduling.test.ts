import { describe, expect, it } from 'vitest'
import { classifyAcuity } from '../../../src/providers/acuity/classify.ts'
import { preset as acuity } from '../../../src/providers/acuity.ts'
import { classifyCalCom } from '../../../src/providers/cal-com/classify.ts'
import { preset as calCom } from '../../../src/providers/cal-com.ts'
import { classifyCalendly } from '../../../src/providers/calendly/classify.ts'
import { preset as calendly } from '../../../src/providers/calendly.ts'
import { callRequest, classified } from '../../support/providers/classified.ts'

const now = Date.UTC(2026, 10, 24)

describe('a Calendly response', () => {
  it('waits the seconds of X-RateLimit-Reset, or the usual minute', () => {
    const headers = { 'x-ratelimit-reset': '42' }
    expect(classifyCalendly(classified(429, { headers }), now)).toEqual({
      kind: 'rate-limited',
      retryAfterMs: 42_000,
    })
    expect(classifyCalendly(classified(429), now)).toMatchObject({ retryAfterMs: 60_000 })
    expect(
      classifyCalendly(classified(429, { headers: { 'x-ratelimit-reset': 'soon' } }), now),
    ).toMatchObject({
      retryAfterMs: 60_000,
    })
  })

  it('can wait as long as the longest window', () => {
    expect(calendly.retry.maxRetryAfterMs).toBeGreaterThanOrEqual(60_000)
    expect(calendly.totalTimeoutMs).toBeGreaterThan(2 * 60_000)
  })

  it('reads title and message', () => {
    const body = { title: 'Resource Not Found', message: 'The server could not find it.' }
    const headers = { 'x-request-id': 'r-1' }
    expect(classifyCalendly(classified(404, { body, headers }), now)).toEqual({
      code: 'Resource Not Found',
      message: 'The server could not find it.',
      requestId: 'r-1',
    })
  })

  it('never repeats bookings, cancellations and shares by their route', () => {
    expect(calendly.retry.isIdempotent).toBeUndefined()
    expect(calendly.retry.methods).toBeUndefined()
  })
})

describe('an Acuity response', () => {
  it('is permanent for every 4xx but 429', () => {
    for (const status of [400, 401, 403, 404, 405, 408, 409, 422]) {
      expect(classifyAcuity(classified(status))).toMatchObject({ kind: 'permanent' })
    }
    expect(classifyAcuity(classified(429))).toEqual({ kind: 'rate-limited' })
    expect(classifyAcuity(classified(500))).toEqual({})
  })

  it('reads error and message', () => {
    const body = { status_code: 400, message: 'That time is not available.', error: 'not_available' }
    expect(classifyAcuity(classified(400, { body }))).toEqual({
      kind: 'permanent',
      code: 'not_available',
      message: 'That time is not available.',
    })
  })

  it('takes the check of a time for the read that it is, and a booking for none', () => {
    const idempotent = (path: string) => acuity.retry.isIdempotent?.(callRequest('POST', path))
    expect(idempotent('/api/v1/availability/check-times')).toBe(true)
    expect(idempotent('/api/v1/appointments')).toBe(false)
  })
})

describe('a Cal.com response', () => {
  it('waits for the first of several limits to reset, since a 429 means that all are used up', () => {
    const headers = {
      'x-ratelimit-reset-default': '55',
      'x-ratelimit-reset-burst': '7',
      'x-ratelimit-limit-burst': '3',
    }
    expect(classifyCalCom(classified(429, { headers }), now)).toEqual({
      kind: 'rate-limited',
      retryAfterMs: 7_000,
    })
  })

  it('waits for the whole block where no limit says when it resets', () => {
    expect(classifyCalCom(classified(429), now)).toMatchObject({ retryAfterMs: 60_000 })
    expect(calCom.retry.maxRetryAfterMs).toBeGreaterThanOrEqual(60_000)
  })

  it('reads the error inside the answer', () => {
    const body = {
      status: 'error',
      error: { code: 'BadRequestException', message: 'User already has a booking' },
    }
    expect(classifyCalCom(classified(400, { body }), now)).toEqual({
      code: 'BadRequestException',
      message: 'User already has a booking',
    })
    expect(classifyCalCom(classified(400, { body: { message: 'flat' } }), now)).toEqual({ message: 'flat' })
  })

  it('keeps the version of the API in dead letters, which a replay needs', () => {
    expect(calCom.deadLetter.redact?.keepHeaders).toEqual(['cal-api-version'])
  })

  it('gives each credential a circuit of its own, and no key shows one', () => {
    const key = (headers: Record<string, string>) =>
      calCom.circuitBreaker.key?.(callRequest('GET', '/v2/me', headers))
    const one = key({ authorization: 'Bearer cal_live_1' })
    expect(one).toMatch(/^https:\/\/api\.example\.com#[0-9a-f]{12}$/)
    expect(key({ authorization: 'Bearer cal_live_2' })).not.toBe(one)
    expect(key({ 'x-cal-secret-key': 's' })).toMatch(/#[0-9a-f]{12}$/)
    expect(key({})).toBe('https://api.example.com')
  })
})

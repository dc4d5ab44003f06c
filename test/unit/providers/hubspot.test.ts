import { describe, expect, it } from 'vitest'
import { classifyHubSpot } from '../../../src/providers/hubspot/classify.ts'
import { dailyReset } from '../../../src/providers/hubspot/daily-reset.ts'
import { preset } from '../../../src/providers/hubspot.ts'
import { callRequest, classified } from '../../support/providers/classified.ts'

const now = Date.UTC(2026, 10, 24, 21, 0, 0)
const limit = (body: object, headers = {}, path = '/crm/v3/objects/contacts/1') =>
  classifyHubSpot(classified(429, { body: { errorType: 'RATE_LIMIT', ...body }, headers, path }), now)

describe('a HubSpot response', () => {
  it('says nothing about a success', () => {
    expect(classifyHubSpot(classified(200), now)).toBeUndefined()
    expect(classifyHubSpot(classified(207), now)).toBeUndefined()
  })

  it('waits for the interval of the ten-secondly limit, and ten seconds where none is named', () => {
    expect(limit({ policyName: 'TEN_SECONDLY_ROLLING' })).toMatchObject({
      kind: 'rate-limited',
      retryAfterMs: 10_000,
    })
    const headers = { 'x-hubspot-ratelimit-interval-milliseconds': '7000' }
    expect(limit({ policyName: 'TEN_SECONDLY_ROLLING' }, headers)).toMatchObject({ retryAfterMs: 7_000 })
    expect(limit({}, { 'x-hubspot-ratelimit-interval-milliseconds': 'soon' })).toMatchObject({
      retryAfterMs: 10_000,
    })
  })

  it.each([
    ['its policy says so', { policyName: 'SECONDLY' }, '/crm/v3/objects/contacts/1'],
    [
      'only its message says so',
      { message: 'You have reached your secondly limit.' },
      '/crm/v3/objects/contacts/1',
    ],
    ['it is a search, whose limit has no name and no headers', {}, '/crm/v3/objects/contacts/search?x=1'],
  ])('waits one second when %s', (_why, body, path) => {
    expect(limit(body, {}, path)).toMatchObject({ kind: 'rate-limited', retryAfterMs: 1_000 })
  })

  it.each([
    ['daily', { notBefore: now + 86_400_000 }, 'DAILY'],
    ['secondly', { retryAfterMs: 1_000 }, 'SECONDLY'],
    ['ten_secondly_rolling', { retryAfterMs: 10_000 }, 'TEN_SECONDLY_ROLLING'],
  ])('reads the %s limit from the message where no policy is named', (word, wait, code) => {
    const body = { category: 'RATE_LIMITS', message: `You have reached your ${word} limit.` }
    for (const path of ['/crm/v3/objects/contacts/1', '/crm/v3/objects/contacts/search']) {
      const verdict = limit(body, {}, path)
      expect(verdict).toEqual({ kind: 'rate-limited', code, message: body.message, ...wait })
    }
  })

  it('ends the call at the daily limit until the account has a new day', () => {
    const verdict = limit({ policyName: 'DAILY', message: 'daily limit' })
    expect(verdict).toMatchObject({ kind: 'rate-limited', code: 'DAILY', notBefore: now + 86_400_000 })
    expect(verdict).not.toHaveProperty('retryAfterMs')
    const known = classifyHubSpot(classified(429, { body: { policyName: 'DAILY' } }), now, 'America/New_York')
    expect(known?.notBefore).toBe(Date.UTC(2026, 10, 25, 5, 0, 0))
  })

  it('waits two seconds for a lock, and may repeat any method, since nothing was done', () => {
    expect(classifyHubSpot(classified(423), now)).toMatchObject({ retryAfterMs: 2_000, safeToRetry: true })
  })

  it.each([502, 503, 504, 520, 521, 522, 523, 524, 529])(
    'pauses after %i and leaves the method to decide',
    (status) => {
      const verdict = classifyHubSpot(classified(status), now)
      expect(verdict).toEqual({ retryAfterMs: 2_000 })
      expect(preset.retry.statusCodes).toContain(status)
    },
  )

  it.each([408, 425, 429, 500, 501])('is repeated after %i as any other', (status) => {
    expect(preset.retry.statusCodes).toContain(status)
  })

  it.each([525, 526])('does not retry %i, but counts and captures it as the 5xx that it is', (status) => {
    expect(classifyHubSpot(classified(status), now)).toEqual({})
    expect(preset.retry.statusCodes).not.toContain(status)
  })

  it('takes 530 for permanent, so that the circuit does not count it', () => {
    expect(classifyHubSpot(classified(530), now)).toEqual({ kind: 'permanent' })
  })

  it('captures a migration (477), whose end Retry-After names', () => {
    expect(classifyHubSpot(classified(477), now)).toEqual({ deadLetter: true })
    expect(preset.retry.statusCodes).toContain(477)
  })

  it('reads message, code and correlation id, from the header first', () => {
    const body = { status: 'error', message: 'bad', category: 'VALIDATION_ERROR', correlationId: 'body-id' }
    expect(classifyHubSpot(classified(400, { body }), now)).toEqual({
      message: 'bad',
      code: 'VALIDATION_ERROR',
      requestId: 'body-id',
    })
    const headers = { 'x-hubspot-correlation-id': 'header-id' }
    expect(classifyHubSpot(classified(400, { body, headers }), now)).toMatchObject({ requestId: 'header-id' })
  })

  it('takes a body that is cut off, no JSON or no object for none', () => {
    for (const body of ['{"message":"cut', '<html>', '[1]', 'null', '']) {
      expect(classifyHubSpot(classified(400, { body }), now)).toEqual({})
    }
  })
})

describe('the HubSpot routes that may be sent twice', () => {
  const idempotent = (method: string, path: string) => preset.retry.isIdempotent?.(callRequest(method, path))

  it.each([
    ['POST', '/crm/v3/objects/contacts/search'],
    ['POST', '/crm/v3/objects/contacts/batch/upsert?x=1'],
    ['POST', '/crm/v3/objects/deals/batch/read'],
    ['POST', '/crm/objects/2026-03/contacts/batch/update'],
    ['POST', '/crm/v3/objects/contacts/batch/archive'],
    ['POST', '/crm/objects/2026-09/tickets/search'],
    ['POST', '/crm/v3/lists/search'],
    ['POST', '/crm/lists/2026-09/search'],
    ['POST', '/crm/v3/associations/contacts/companies/batch/read'],
    ['POST', '/crm/v4/associations/contacts/companies/batch/read'],
    ['POST', '/crm/associations/2026-03/contacts/companies/batch/read'],
    ['POST', '/crm/v3/properties/contacts/batch/read'],
    ['POST', '/crm/properties/2026-09/contacts/batch/read'],
    ['PATCH', '/crm/v3/objects/contacts/1?idProperty=email'],
  ])('are %s %s', (method, path) => {
    expect(idempotent(method, path)).toBe(true)
  })

  it.each([
    ['POST', '/crm/v3/objects/contacts'],
    ['POST', '/crm/v3/objects/contacts/batch/create'],
    ['POST', '/crm/v3/objects/contacts/merge'],
    ['POST', '/crm/v4/associations/contacts/companies/batch/create'],
    ['POST', '/crm/v3/properties/contacts/batch/create'],
    ['POST', '/crm/v3/lists'],
    ['POST', '/crm/v3/objects/contacts/gdpr-delete'],
    ['POST', '/evil/crm/v3/objects/contacts/search'],
    ['POST', '/crm/v3/objects/contacts?x=/batch/upsert'],
    ['PATCH', '/crm/v3/objects/contacts/batch/create'],
  ])('are not %s %s', (method, path) => {
    expect(idempotent(method, path)).toBe(false)
  })
})

describe('the end of the daily limit', () => {
  it('is the next midnight of the zone, also on the days of 23 and 25 hours', () => {
    expect(dailyReset(Date.UTC(2026, 10, 24, 4, 59, 59), 'America/New_York')).toBe(Date.UTC(2026, 10, 24, 5))
    expect(dailyReset(Date.UTC(2026, 10, 24, 5, 0, 0), 'America/New_York')).toBe(Date.UTC(2026, 10, 25, 5))
    expect(dailyReset(Date.UTC(2026, 2, 29, 0, 30), 'Europe/Berlin')).toBe(Date.UTC(2026, 2, 29, 22))
    expect(dailyReset(Date.UTC(2026, 9, 25, 0, 30), 'Europe/Berlin')).toBe(Date.UTC(2026, 9, 25, 23))
    expect(dailyReset(Date.UTC(2026, 5, 1, 12), 'Asia/Kolkata')).toBe(Date.UTC(2026, 5, 1, 18, 30))
  })
})

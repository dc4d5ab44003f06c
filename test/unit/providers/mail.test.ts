import { describe, expect, it } from 'vitest'
import { classifyMailchimp } from '../../../src/providers/mailchimp/classify.ts'
import { classifyMailchimpTransactional } from '../../../src/providers/mailchimp-transactional/classify.ts'
import {
  memberHash,
  preset as mailchimp,
  transactionalPreset as transactional,
} from '../../../src/providers/mailchimp.ts'
import { classifySendGrid } from '../../../src/providers/sendgrid/classify.ts'
import { preset as sendgrid } from '../../../src/providers/sendgrid.ts'
import { callRequest, classified } from '../../support/providers/classified.ts'

const now = Date.UTC(2026, 10, 24, 21)

describe('a SendGrid response', () => {
  it('waits until the second that X-RateLimit-Reset names', () => {
    const headers = { 'x-ratelimit-reset': String(now / 1000 + 9) }
    expect(classifySendGrid(classified(429, { headers }), now)).toEqual({
      kind: 'rate-limited',
      retryAfterMs: 9_000,
    })
    // of the provider's clock, not of ours
    const behind = { ...headers, date: new Date(now - 60_000).toUTCString() }
    expect(classifySendGrid(classified(429, { headers: behind }), now)).toMatchObject({
      retryAfterMs: 69_000,
    })
    expect(classifySendGrid(classified(429), now)).toEqual({ kind: 'rate-limited' })
  })

  it('takes used-up credits for a quota that ends at a midnight, and any other 401 for a bad key', () => {
    const errors = (message: string) => ({ errors: [{ message, field: null }] })
    expect(classifySendGrid(classified(401, { body: errors('Maximum credits exceeded') }), now)).toEqual({
      kind: 'rate-limited',
      code: 'MAX_CREDITS',
      message: 'Maximum credits exceeded',
      notBefore: Date.UTC(2026, 10, 25),
    })
    const refused = classifySendGrid(classified(401, { body: errors('authorization required') }), now)
    expect(refused).toEqual({ message: 'authorization required' })
  })

  it('keeps what a 403 refused: a temporary block is not told from a missing right', () => {
    for (const body of [{ errors: [{ message: 'Forbidden', field: null }] }, '<html>', undefined]) {
      expect(classifySendGrid(classified(403, { body }), now)).toMatchObject({
        kind: 'permanent',
        deadLetter: true,
      })
    }
  })

  it('survives error bodies of other shapes', () => {
    for (const body of [{ errors: 'no' }, { errors: [] }, { errors: [null] }, { errors: ['text'] }]) {
      expect(classifySendGrid(classified(400, { body }), now)).toEqual({})
    }
  })

  it('repeats searches of contacts and never a mail', () => {
    const idempotent = (path: string) => sendgrid.retry.isIdempotent?.(callRequest('POST', path))
    for (const route of ['search', 'search/emails', 'batch']) {
      expect(idempotent(`/v3/marketing/contacts/${route}`)).toBe(true)
    }
    expect(idempotent('/v3/mail/send')).toBe(false)
    expect(idempotent('/v3/marketing/contacts/exports')).toBe(false)
  })
})

describe('a Mailchimp Marketing response', () => {
  const marketing = (...facts: Parameters<typeof classified>) => classifyMailchimp(classified(...facts), now)

  it('takes a 403 without JSON for too many requests, and one with JSON for a refusal', () => {
    const html = { 'content-type': 'text/html' }
    expect(marketing(403, { body: '<html>Denied</html>', headers: html })).toEqual({
      kind: 'rate-limited',
    })
    expect(marketing(403)).toEqual({ kind: 'rate-limited' })
    const body = { title: 'Forbidden', detail: 'no rights', instance: 'i-1' }
    expect(marketing(403, { body })).toEqual({
      kind: 'permanent',
      code: 'Forbidden',
      message: 'no rights',
      requestId: 'i-1',
    })
    // cut off by the limit of what is inspected: its type still says what it is
    const headers = { 'content-type': 'application/problem+json; charset=utf-8' }
    expect(marketing(403, { body: '{"title":"Forb', headers })).toEqual({
      kind: 'permanent',
    })
  })

  it('takes an account under review for permanent, and any other 503 for an outage', () => {
    expect(marketing(503, { body: { title: 'ComplianceRelated' } })).toMatchObject({
      kind: 'permanent',
    })
    expect(marketing(503, { body: { title: 'Service Unavailable' } })).not.toHaveProperty('kind')
    expect(marketing(503)).toEqual({})
  })

  it('keeps an address that signed up to many lists for the next day, and says nothing of the others', () => {
    const detail =
      "ada@example.com has signed up to a lot of lists very recently; we're not allowing more signups for now"
    expect(marketing(400, { body: { title: 'Invalid Resource', detail } })).toMatchObject({
      kind: 'transient',
      code: 'TOO_MANY_SIGNUPS',
      circuitFailure: false,
      notBefore: now + 86_400_000,
    })
    const other = { title: 'Invalid Resource', detail: 'Please provide a valid email address.' }
    expect(marketing(400, { body: other })).not.toHaveProperty('kind')
  })

  it('takes the block of an IP address for no outage, names it, and keeps the call', () => {
    const headers = { 'content-type': 'text/html' }
    const body = '<html><head><title>Request Blocked</title></head></html>'
    expect(marketing(503, { body, headers })).toMatchObject({
      kind: 'rate-limited',
      code: 'IP_BLOCKED',
      message: expect.stringContaining('blocks the IP address') as string,
      notBefore: now + 600_000,
    })
    expect(marketing(503, { body: '<h1>Service Unavailable</h1>', headers })).not.toHaveProperty('kind')
  })

  it('comes back to a queue of batches that is full after minutes, and to ten at once after a backoff', () => {
    const body = { title: 'Too Many Requests', detail: 'You have more than 500 pending batches.' }
    const full = { body, method: 'POST', path: '/3.0/batches' }
    expect(marketing(429, full)).toMatchObject({ kind: 'rate-limited', notBefore: now + 600_000 })
    const busy = { title: 'Too Many Requests', detail: 'limit of 10 simultaneous connections' }
    expect(marketing(429, { ...full, body: busy })).not.toHaveProperty('notBefore')
    expect(marketing(429, { body, path: '/3.0/lists/batches-of-mine' })).not.toHaveProperty('notBefore')
  })

  it('leaves "Member Exists" to its status, which is final', () => {
    const verdict = marketing(400, { body: { title: 'Member Exists', detail: 'is a member' } })
    expect(verdict).toEqual({ code: 'Member Exists', message: 'is a member' })
  })

  it('repeats the tags of a member, and no event, batch or campaign', () => {
    const idempotent = (path: string) => mailchimp.retry.isIdempotent?.(callRequest('POST', path))
    expect(idempotent('/3.0/lists/a1/members/b2/tags')).toBe(true)
    for (const path of ['/3.0/lists/a1/members/b2/events', '/3.0/batches', '/3.0/campaigns/c/actions/send']) {
      expect(idempotent(path)).toBe(false)
    }
  })
})

describe('the hash of a member', () => {
  it('is the MD5 of the address in lower case', () => {
    expect(memberHash('Urist.McVankab@freddiesjokes.com')).toBe('62eeb292278cc15f5817cb78f7790b08')
    expect(memberHash('urist.mcvankab@freddiesjokes.com')).toBe('62eeb292278cc15f5817cb78f7790b08')
  })

  it.each([
    '',
    'ada',
    'ada@',
    '@example.com',
    'ada@example',
    'ada @example.com',
    'ada@example.com ',
    'a@b@c.d',
    'a@b..c',
  ])('is refused for %j', (email) => {
    expect(() => memberHash(email)).toThrow(RangeError)
  })

  it('is refused for what is no text', () => {
    expect(() => memberHash(undefined as never)).toThrow(
      new TypeError('`email` must be an e-mail address, got undefined'),
    )
  })
})

describe('a Mailchimp Transactional response', () => {
  const named = (name: string, status = 500) =>
    classifyMailchimpTransactional(
      classified(status, { body: { status: 'error', code: -1, name, message: 'm' } }),
    )

  it.each(['GeneralError', 'ServiceUnavailable'])('takes %s for transient', (name) => {
    expect(named(name)).toEqual({ kind: 'transient', code: name, message: 'm' })
  })

  it.each(['ValidationError', 'Invalid_Key', 'PaymentRequired', 'Unknown_Template', 'Invalid_Reject'])(
    'takes a 500 named %s for permanent, so that neither retry nor circuit minds it',
    (name) => {
      expect(named(name)).toMatchObject({ kind: 'permanent', code: name })
    },
  )

  it('takes RequestLimitExceeded and 429 for a limit', () => {
    expect(named('RequestLimitExceeded')).toMatchObject({ kind: 'rate-limited' })
    expect(classifyMailchimpTransactional(classified(429))).toEqual({ kind: 'rate-limited' })
  })

  it('leaves an answer without a name to its status: it is a proxy that speaks', () => {
    expect(classifyMailchimpTransactional(classified(502, { body: '<html>' }))).toEqual({})
  })

  it('repeats what reads, and nothing that sends', () => {
    const idempotent = (path: string) =>
      transactional.retry.isIdempotent?.(callRequest('POST', `/api/1.0${path}`))
    for (const path of [
      '/users/ping2',
      '/users/info.json',
      '/tags/time-series',
      '/messages/search',
      '/templates/render.json',
      '/messages/info',
      '/messages/content.json',
      '/messages/parse',
      '/messages/search-time-series',
      '/senders/domains',
      '/users/senders.json',
    ]) {
      expect(idempotent(path), path).toBe(true)
    }
    for (const path of [
      '/messages/send',
      '/messages/send-template.json',
      '/messages/send-raw',
      '/rejects/add',
      '/senders/add-domain',
      '/messages/cancel-scheduled',
      '/messages/info/x',
    ]) {
      expect(idempotent(path), path).toBe(false)
    }
  })

  it('names the field of the body that is the secret', () => {
    expect(transactional.deadLetter.redact?.body).toEqual(['key'])
  })
})

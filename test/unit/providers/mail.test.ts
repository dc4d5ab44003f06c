import { describe, expect, it } from 'vitest'
import { classifyMailchimp } from '../../../src/providers/mailchimp/classify.ts'
import {
  memberHash,
  preset as mailchimp,
  transactionalPreset as mandrill,
} from '../../../src/providers/mailchimp.ts'
import { classifyMandrill } from '../../../src/providers/mailchimp-transactional/classify.ts'
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
  it('takes a 403 without JSON for too many requests, and one with JSON for a refusal', () => {
    const html = { 'content-type': 'text/html' }
    expect(classifyMailchimp(classified(403, { body: '<html>Denied</html>', headers: html }))).toEqual({
      kind: 'rate-limited',
    })
    expect(classifyMailchimp(classified(403))).toEqual({ kind: 'rate-limited' })
    const body = { title: 'Forbidden', detail: 'no rights', instance: 'i-1' }
    expect(classifyMailchimp(classified(403, { body }))).toEqual({
      kind: 'permanent',
      code: 'Forbidden',
      message: 'no rights',
      requestId: 'i-1',
    })
    // cut off by the limit of what is inspected: its type still says what it is
    const headers = { 'content-type': 'application/problem+json; charset=utf-8' }
    expect(classifyMailchimp(classified(403, { body: '{"title":"Forb', headers }))).toEqual({
      kind: 'permanent',
    })
  })

  it('takes an account under review for permanent, and any other 503 for an outage', () => {
    expect(classifyMailchimp(classified(503, { body: { title: 'ComplianceRelated' } }))).toMatchObject({
      kind: 'permanent',
    })
    expect(classifyMailchimp(classified(503, { body: { title: 'Service Unavailable' } }))).not.toHaveProperty(
      'kind',
    )
    expect(classifyMailchimp(classified(503))).toEqual({})
  })

  it('leaves "Member Exists" to its status, which is final', () => {
    const verdict = classifyMailchimp(
      classified(400, { body: { title: 'Member Exists', detail: 'is a member' } }),
    )
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
    classifyMandrill(classified(status, { body: { status: 'error', code: -1, name, message: 'm' } }))

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
    expect(classifyMandrill(classified(429))).toEqual({ kind: 'rate-limited' })
  })

  it('leaves an answer without a name to its status: it is a proxy that speaks', () => {
    expect(classifyMandrill(classified(502, { body: '<html>' }))).toEqual({})
  })

  it('repeats what reads, and nothing that sends', () => {
    const idempotent = (path: string) => mandrill.retry.isIdempotent?.(callRequest('POST', `/api/1.0${path}`))
    for (const path of [
      '/users/ping2',
      '/users/info.json',
      '/tags/time-series',
      '/messages/search',
      '/templates/render.json',
    ]) {
      expect(idempotent(path), path).toBe(true)
    }
    for (const path of [
      '/messages/send',
      '/messages/send-template.json',
      '/messages/send-raw',
      '/rejects/add',
      '/messages/info/x',
    ]) {
      expect(idempotent(path), path).toBe(false)
    }
  })

  it('names the field of the body that is the secret', () => {
    expect(mandrill.deadLetter.redact?.body).toEqual(['key'])
  })
})

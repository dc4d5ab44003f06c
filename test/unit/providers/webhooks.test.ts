import { createHmac, generateKeyPairSync, sign } from 'node:crypto'
import { Signature } from '@hubspot/api-client'
import { Headers as UndiciHeaders } from 'undici'
import { describe, expect, it } from 'vitest'
import { isIntegrationError } from '../../../src/index.ts'
import { verifyAcuityWebhook } from '../../../src/providers/acuity.ts'
import { verifyCalComWebhook } from '../../../src/providers/cal-com.ts'
import { verifyCalendlyWebhook } from '../../../src/providers/calendly.ts'
import { verifyHubSpotWebhook, WebhookSignatureError } from '../../../src/providers/hubspot.ts'
import { verifyMailchimpTransactionalWebhook } from '../../../src/providers/mailchimp.ts'
import { verifyGitHubWebhook } from '../../../src/providers/presets/github.ts'
import { verifySlackWebhook } from '../../../src/providers/presets/slack.ts'
import { verifyStripeWebhook } from '../../../src/providers/presets/stripe.ts'
import { verifySendGridWebhook } from '../../../src/providers/sendgrid.ts'

const mac = (
  algorithm: string,
  secret: string,
  text: string | Uint8Array,
  encoding: 'hex' | 'base64' = 'hex',
) => createHmac(algorithm, secret).update(text).digest(encoding)

const body = '{"event":"täglich","id":1}'
const url = 'https://example.com/hooks?a=1'
const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
const exported = (key: typeof publicKey) => key.export({ type: 'spki', format: 'der' }).toString('base64')
const stranger = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })

type Headers = Record<string, string | string[] | undefined>
interface Scheme {
  title: string
  secretName: string
  secret: string
  otherSecret: string
  /** How long a signature holds, in milliseconds; `undefined` where the time is not signed. */
  toleranceMs?: number
  verify(
    delivery: { headers: Headers | globalThis.Headers; body: string | Uint8Array; url: string },
    options: object,
  ): void
  sign(body: string, at: number): Headers
}

const schemes: Scheme[] = [
  {
    title: 'HubSpot',
    secretName: 'clientSecret',
    secret: 'hs-secret',
    otherSecret: 'hs-new',
    toleranceMs: 300_000,
    verify: (delivery, options) => verifyHubSpotWebhook(delivery, options as never),
    sign: (text, at) => ({
      'x-hubspot-signature-v3': Signature.getSignature('POST', 'v3', {
        clientSecret: 'hs-secret',
        requestBody: text,
        url,
        timestamp: at,
      } as never),
      'x-hubspot-request-timestamp': String(at),
    }),
  },
  {
    title: 'Calendly',
    secretName: 'signingKey',
    secret: 'cal-secret',
    otherSecret: 'cal-new',
    toleranceMs: 180_000,
    verify: (delivery, options) => verifyCalendlyWebhook(delivery, options as never),
    sign: (text, at) => {
      const t = Math.floor(at / 1000)
      return { 'calendly-webhook-signature': `t=${t},v1=${mac('sha256', 'cal-secret', `${t}.${text}`)}` }
    },
  },
  {
    title: 'Acuity',
    secretName: 'apiKey',
    secret: 'ac-secret',
    otherSecret: 'ac-new',
    verify: (delivery, options) => verifyAcuityWebhook(delivery, options as never),
    sign: (text) => ({ 'x-acuity-signature': mac('sha256', 'ac-secret', text, 'base64') }),
  },
  {
    title: 'Cal.com',
    secretName: 'secret',
    secret: 'cc-secret',
    otherSecret: 'cc-new',
    verify: (delivery, options) => verifyCalComWebhook(delivery, options as never),
    sign: (text) => ({ 'x-cal-signature-256': mac('sha256', 'cc-secret', text) }),
  },
  {
    title: 'SendGrid',
    secretName: 'publicKey',
    secret: exported(publicKey),
    otherSecret: exported(stranger.publicKey),
    toleranceMs: 300_000,
    verify: (delivery, options) => verifySendGridWebhook(delivery, options as never),
    sign: (text, at) => {
      const t = String(Math.floor(at / 1000))
      return {
        'x-twilio-email-event-webhook-signature': sign('sha256', Buffer.from(t + text), privateKey).toString(
          'base64',
        ),
        'x-twilio-email-event-webhook-timestamp': t,
      }
    },
  },
  {
    title: 'Stripe',
    secretName: 'signingSecret',
    secret: 'whsec_secret',
    otherSecret: 'whsec_new',
    toleranceMs: 300_000,
    verify: (delivery, options) => verifyStripeWebhook(delivery, options as never),
    sign: (text, at) => {
      const t = Math.floor(at / 1000)
      // while a secret is rolled Stripe signs with both; other schemes are for tests of its own
      const signature = mac('sha256', 'whsec_secret', `${t}.${text}`)
      return { 'stripe-signature': `t=${t},v0=00,v1=${mac('sha256', 'whsec_old', text)},v1=${signature}` }
    },
  },
  {
    title: 'Slack',
    secretName: 'signingSecret',
    secret: 'sl-secret',
    otherSecret: 'sl-new',
    toleranceMs: 300_000,
    verify: (delivery, options) => verifySlackWebhook(delivery, options as never),
    sign: (text, at) => {
      const t = String(Math.floor(at / 1000))
      return {
        'x-slack-signature': `v0=${mac('sha256', 'sl-secret', `v0:${t}:${text}`)}`,
        'x-slack-request-timestamp': t,
      }
    },
  },
  {
    title: 'GitHub',
    secretName: 'secret',
    secret: 'gh-secret',
    otherSecret: 'gh-new',
    verify: (delivery, options) => verifyGitHubWebhook(delivery, options as never),
    sign: (text) => ({ 'x-hub-signature-256': `sha256=${mac('sha256', 'gh-secret', text)}` }),
  },
  {
    title: 'Mailchimp Transactional',
    secretName: 'webhookKey',
    secret: 'md-secret',
    otherSecret: 'md-new',
    verify: (delivery, options) => verifyMailchimpTransactionalWebhook(delivery, options as never),
    sign: (text) => {
      const fields = [...new URLSearchParams(text)].sort().map(([name, value]) => name + value)
      return { 'x-mandrill-signature': mac('sha1', 'md-secret', url + fields.join(''), 'base64') }
    },
  },
]

describe.each(schemes)('a webhook of $title', (scheme) => {
  const now = 1_795_000_000_000
  const time = scheme.toleranceMs === undefined ? {} : { now: () => now }
  const options = { [scheme.secretName]: scheme.secret, ...time }
  const headers = scheme.sign(body, now)
  const reasonOf = (delivery: Parameters<Scheme['verify']>[0], given: object = options) => {
    try {
      scheme.verify(delivery, given)
    } catch (error) {
      if (!(error instanceof WebhookSignatureError)) throw error
      expect(isIntegrationError(error) && error.code).toBe('ERR_WEBHOOK_SIGNATURE')
      expect(`${error.message} ${JSON.stringify(error)}`).not.toContain(scheme.secret)
      return error.reason
    }
    return 'accepted'
  }

  it('is accepted as it came: text or bytes, headers of Node in any case or of the Web', () => {
    expect(reasonOf({ headers, body, url })).toBe('accepted')
    expect(reasonOf({ headers, body: Buffer.from(body), url })).toBe('accepted')
    const upper = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name.toUpperCase(), value]),
    )
    expect(reasonOf({ headers: upper, body, url })).toBe('accepted')
    expect(reasonOf({ headers: new Headers(headers as Record<string, string>), body, url })).toBe('accepted')
    const lists = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, [value as string]]),
    )
    expect(reasonOf({ headers: lists, body, url })).toBe('accepted')
  })

  it('is refused with another body, another secret, half a signature, and with none', () => {
    expect(reasonOf({ headers, body: body.replace('1', '2'), url })).toBe('mismatch')
    expect(reasonOf({ headers, body, url }, { ...options, [scheme.secretName]: scheme.otherSecret })).toBe(
      'mismatch',
    )
    const [name, value] = Object.entries(headers)[0]!
    expect(reasonOf({ headers: { ...headers, [name]: (value as string).slice(0, -4) }, body, url })).toBe(
      'mismatch',
    )
    expect(reasonOf({ headers: {}, body, url })).toBe('missing')
    expect(reasonOf({ headers: { ...headers, [name]: '' }, body, url })).toBe('missing')
  })

  it('is accepted by any of the secrets while they are rotated', () => {
    for (const both of [
      [scheme.otherSecret, scheme.secret],
      [scheme.secret, scheme.otherSecret],
    ]) {
      expect(reasonOf({ headers, body, url }, { ...options, [scheme.secretName]: both })).toBe('accepted')
    }
  })

  it('refuses bad options by name, and a body that was parsed', () => {
    for (const value of [undefined, '', ' ', null, 7, [], ['']]) {
      expect(() => scheme.verify({ headers, body, url }, { ...options, [scheme.secretName]: value })).toThrow(
        `\`${scheme.secretName}\` must`,
      )
    }
    expect(() => scheme.verify({ headers, body, url }, { ...options, secrets: 'x' })).toThrow(
      'has no option `secrets`',
    )
    expect(() => scheme.verify({ headers, body: { event: 1 } as never, url }, options)).toThrow(
      '`body` must be the raw body',
    )
  })

  if (scheme.toleranceMs === undefined) return
  const toleranceMs = scheme.toleranceMs

  it('is refused when it is too old, comes from the future, or does not say when it was signed', () => {
    const at = (ms: number, more: object = {}) =>
      reasonOf({ headers: scheme.sign(body, now + ms), body, url }, { ...options, ...more })
    expect(at(1_000 - toleranceMs)).toBe('accepted')
    expect(at(-toleranceMs - 1_000)).toBe('expired')
    expect(at(toleranceMs + 2_000)).toBe('expired')
    expect(at(-10_000, { toleranceMs: 5_000 })).toBe('expired')
    expect(at(-toleranceMs - 1_000, { toleranceMs: toleranceMs * 2 })).toBe('accepted')
    expect(() => scheme.verify({ headers, body, url }, { ...options, toleranceMs: 0 })).toThrow(
      '`toleranceMs`',
    )
  })

  it('is refused with the time of another delivery: the signature covers it', () => {
    const later = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [
        name,
        (value as string).replace(/\b1795000000/, '1795000100'),
      ]),
    )
    expect(later).not.toEqual(headers)
    expect(reasonOf({ headers: later, body, url })).toBe('mismatch')
  })
})

describe('the address that a signature covers', () => {
  it('is that of the provider, whole', () => {
    const headers = schemes[0]!.sign(body, Date.now())
    const options = { clientSecret: 'hs-secret' }
    expect(() => verifyHubSpotWebhook({ headers, body, url: '/hooks?a=1' }, options)).toThrow(
      '`url` must be the whole url',
    )
    expect(() => verifyHubSpotWebhook({ headers, body, url: url.replace('a=1', 'a=2') }, options)).toThrow(
      'hubspot: webhook refused: signed with another secret, or for another body, url or method',
    )
    expect(() => verifyHubSpotWebhook({ headers, body, url, method: 'PUT' }, options)).toThrow('refused')
  })

  it('may have been signed by HubSpot with its characters decoded', () => {
    const at = Date.now()
    const signature = mac('sha256', 's', `POSThttps://example.com/h?to=a@b:c${body}${at}`, 'base64')
    const headers = { 'x-hubspot-signature-v3': signature, 'x-hubspot-request-timestamp': String(at) }
    const encoded = 'https://example.com/h?to=a%40b%3ac'
    expect(verifyHubSpotWebhook({ headers, body, url: encoded }, { clientSecret: 's' })).toBeUndefined()
  })
})

describe('the vendor', () => {
  it('GitHub signs the example of its page so that it is accepted', () => {
    const headers = {
      'x-hub-signature-256': 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17',
    }
    const options = { secret: "It's a Secret to Everybody" }
    expect(verifyGitHubWebhook({ headers, body: 'Hello, World!' }, options)).toBeUndefined()
  })

  it('SendGrid signs its own example so that it is accepted', () => {
    const headers = {
      'X-Twilio-Email-Event-Webhook-Signature':
        'MEUCIQCtIHJeH93Y+qpYeWrySphQgpNGNr/U+UyUlBkU6n7RAwIgJTz2C+8a8xonZGi6BpSzoQsbVRamr2nlxFDWYNH2j/0=',
      'X-Twilio-Email-Event-Webhook-Timestamp': '1588788367',
    }
    const example = { category: 'example_payload', event: 'test_event', message_id: 'message_id' }
    const options = {
      publicKey:
        'MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEDr2LjtURuePQzplybdC+u4CwrqDqBaWjcMMsTbhdbcwHBcepxo7yAQGhHPTnlvFYPAZFceEu/1FwCM/QmGUhA==',
      now: () => 1_588_788_370_000,
    }
    expect(verifySendGridWebhook({ headers, body: JSON.stringify(example) }, options)).toBeUndefined()
    expect(() => verifySendGridWebhook({ headers, body: '{}' }, { publicKey: 'no key' })).toThrow(
      '`publicKey` must be a public key in base64',
    )
  })
})

describe('a hostile or careless delivery', () => {
  const at = 1_790_000_000_000
  const calendly = (
    headers: Headers | globalThis.Headers,
    text: unknown = body,
    options: object = {},
  ): void =>
    verifyCalendlyWebhook(
      { headers, body: text as string },
      { signingKey: 'cal-secret', now: () => at, ...options },
    )

  it('costs as much as it is long: blanks before the end are gone through once', () => {
    const cost = (blanks: number): number => {
      const header = `t=1,v1=${' '.repeat(blanks)}x`
      const start = performance.now()
      expect(() => calendly({ 'calendly-webhook-signature': header })).toThrow(WebhookSignatureError)
      return performance.now() - start
    }
    cost(1_000)
    // a quadratic search takes minutes for this
    expect(cost(1_000_000)).toBeLessThan(5_000)
  })

  it('is not quoted where it was parsed before, nor is the query of a url', () => {
    const parsed = [{ email: 'jane@example.com' }]
    expect(() => calendly({}, parsed)).toThrow('must be the raw body, a string or bytes, got an array')
    expect(() => calendly({}, { email: 'jane@example.com' })).toThrow('got an object: was it parsed?')
    const relative = { headers: {}, body, url: '/hooks?token=secret' }
    const verify = (): void => verifyHubSpotWebhook({ ...relative, method: 'POST' }, { clientSecret: 's' })
    expect(verify).toThrow('`url` must be the whole url that the provider called')
    expect(verify).not.toThrow(/secret/)
  })

  it('has its headers read from the `Headers` of the undici of npm too', () => {
    const t = String(at / 1000)
    const signature = `t=${t},v1=${mac('sha256', 'cal-secret', `${t}.${body}`)}`
    const headers = new UndiciHeaders({ 'calendly-webhook-signature': signature })
    expect(() => calendly(headers as never)).not.toThrow()
  })

  it('is expired where the clock gives no number', () => {
    const t = String(at / 1000)
    const headers = {
      'calendly-webhook-signature': `t=${t},v1=${mac('sha256', 'cal-secret', `${t}.${body}`)}`,
    }
    expect(() => calendly(headers, body, { now: () => NaN })).toThrow(/signed too long ago/)
  })
})

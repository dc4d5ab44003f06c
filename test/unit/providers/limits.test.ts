import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { request } from 'undici'
import { describe, expect, it } from 'vitest'
import { preset as calCom } from '../../../src/providers/cal-com.ts'
import { preset as calendly } from '../../../src/providers/calendly.ts'
import { preset as hubspot, type ProviderPreset } from '../../../src/providers/hubspot.ts'
import { preset as mailchimp } from '../../../src/providers/mailchimp.ts'
import { preset as slack } from '../../../src/providers/presets/slack.ts'
import { preset as stripe } from '../../../src/providers/presets/stripe.ts'
import { preset as sendgrid } from '../../../src/providers/sendgrid.ts'
import { resilience } from '../../../src/resilience.ts'
import { ScriptedDispatcher } from '../../support/calls/scripted-dispatcher.ts'
import { cases } from '../../support/providers/cases.ts'
import { callRequest } from '../../support/providers/classified.ts'
import { presetCases } from '../../support/providers/preset-cases.ts'

const headers = { authorization: 'Bearer one' }
const keyOf = (preset: ProviderPreset, method: string, path: string) =>
  preset.rateLimit.key?.(callRequest(method, path, headers))

/** The limits that a request is counted by: `10 per 60 s`. */
function countedBy(preset: ProviderPreset, method: string, path: string): string[] {
  const request = callRequest(method, path)
  return (preset.rateLimit.limits ?? [])
    .filter(({ cost }) => (cost?.(request) ?? 1) > 0)
    .map(({ limit, intervalMs }) => `${limit} per ${intervalMs / 1000} s`)
}

describe('the limits of a preset', () => {
  it('are those that the page of each provider states, and none where nothing is proven', () => {
    const stated = Object.fromEntries(
      [...cases, ...presetCases].map(({ integration, preset }) => [
        integration,
        (preset.rateLimit.limits ?? []).map(({ limit, intervalMs }) => [limit, intervalMs / 1000]),
      ]),
    )
    expect(stated).toEqual({
      hubspot: [
        [100, 10],
        [5, 1],
      ],
      calendly: [
        [500, 60],
        [10, 60],
        [50, 3600],
        [100, 86_400],
      ],
      acuity: [],
      'cal-com': [
        [120, 60],
        [4, 1],
      ],
      sendgrid: [],
      mailchimp: [],
      'mailchimp-transactional': [],
      stripe: [
        [25, 1],
        [20, 1],
      ],
      openai: [],
      anthropic: [],
      slack: [[1, 1]],
      resend: [[2, 1]],
      twilio: [],
      github: [],
    })
  })

  it('count searches of HubSpot by the second', () => {
    expect(countedBy(hubspot, 'POST', '/crm/v3/objects/contacts/search?x=1')).toEqual([
      '100 per 10 s',
      '5 per 1 s',
    ])
    expect(countedBy(hubspot, 'POST', '/crm/objects/2026-09/deals/search')).toContain('5 per 1 s')
    expect(countedBy(hubspot, 'POST', '/crm/v3/objects/contacts')).toEqual(['100 per 10 s'])
  })

  it('are tight for bookings of Calendly, and not for reading invitees', () => {
    expect(countedBy(calendly, 'POST', '/invitees')).toEqual([
      '500 per 60 s',
      '10 per 60 s',
      '50 per 3600 s',
      '100 per 86400 s',
    ])
    expect(countedBy(calendly, 'GET', '/scheduled_events/E1/invitees?count=100')).toEqual(['500 per 60 s'])
    expect(countedBy(calendly, 'GET', '/invitees')).toEqual(['500 per 60 s'])
  })
})

describe('the limits of a preset without a client', () => {
  it('are per endpoint at Stripe, and of the whole account in a sandbox', () => {
    const key = (path: string, token: string) =>
      stripe.rateLimit.key?.(callRequest('GET', path, { authorization: `Bearer ${token}` }))
    expect(key('/v1/customers/cus_1', 'sk_live_1')).toBe(key('/v1/customers?x=1', 'sk_live_1'))
    expect(key('/v1/customers', 'sk_live_1')).not.toBe(key('/v1/charges', 'sk_live_1'))
    expect(key('/v1/customers', 'sk_test_1')).toBe(key('/v1/charges', 'sk_test_1'))
    expect(countedBy(stripe, 'GET', '/v1/customers/search?query=x')).toEqual(['25 per 1 s', '20 per 1 s'])
    expect(countedBy(stripe, 'GET', '/v1/customers')).toEqual(['25 per 1 s'])
  })

  it('are per channel for messages of Slack, where the body says which', () => {
    const path = '/api/chat.postMessage'
    const message = (body: string | undefined) => ({
      ...callRequest('POST', path, headers),
      body: body === undefined ? undefined : Buffer.from(body),
    })
    const key = (body: string | undefined) => slack.rateLimit.key?.(message(body))
    const cost = (body: string | undefined) => slack.rateLimit.limits?.[0]?.cost?.(message(body))
    expect(key('{"channel":"C1"}')).toBe(key('text=x&channel=C1'))
    expect(key('{"channel":"C1"}')).not.toBe(key('{"channel":"C2"}'))
    expect([cost('{"channel":"C1"}'), cost(undefined), cost('text=x')]).toEqual([1, 0, 0])
  })

  it('are per method for messages of Slack whose body is a stream, as those of fetch are, from first to last', async () => {
    const stack = resilience({ ...slack, retry: { maxAttempts: 1 } })
    const server = new ScriptedDispatcher()
    const post = async () => {
      const url = 'https://slack.com/api/chat.postMessage'
      const body = Readable.from(['{"channel":"C1"}'])
      const answer = request(url, { method: 'POST', headers, body, dispatcher: server.compose(stack) })
      const attempt = server.attempts.at(-1)!.start()
      await text(attempt.options.body as Readable)
      return { answer, attempt }
    }
    const served = await post()
    served.attempt.head(200).end()
    await (await served.answer).body.dump()
    expect(stack.limits.list().map(({ used }) => used)).toEqual([0])
    const refused = await post()
    refused.attempt.head(429, { 'retry-after': '4' }).end()
    await (await refused.answer).body.dump()
    const [method, ...others] = stack.limits.list()
    expect(others).toEqual([])
    expect(method!.retryAfterMs).toBeGreaterThan(3_000)
    await stack.close()
  })
})

describe('the key of limits and cool-downs', () => {
  it('lets a booking of Calendly wait by itself', () => {
    expect(keyOf(calendly, 'POST', '/invitees')).not.toBe(keyOf(calendly, 'GET', '/users/me'))
    expect(keyOf(calendly, 'GET', '/event_types')).toBe(keyOf(calendly, 'GET', '/users/me'))
  })

  it('is one per endpoint of SendGrid, whatever the ids behind it', () => {
    const mail = keyOf(sendgrid, 'POST', '/v3/mail/send')
    expect(mail).not.toBe(keyOf(sendgrid, 'PUT', '/v3/marketing/contacts'))
    expect(keyOf(sendgrid, 'GET', '/v3/marketing/contacts/1?x=2')).toBe(
      keyOf(sendgrid, 'PUT', '/v3/marketing/contacts'),
    )
  })

  it('lets batches of Mailchimp wait by themselves', () => {
    expect(keyOf(mailchimp, 'POST', '/3.0/batches')).not.toBe(keyOf(mailchimp, 'GET', '/3.0/lists'))
    expect(keyOf(mailchimp, 'GET', '/3.0/lists/batches1')).toBe(keyOf(mailchimp, 'GET', '/3.0/lists'))
  })

  it('is the account of a platform of Cal.com, whose secret is in a header of its own', () => {
    const platform = (secret: string) =>
      calCom.rateLimit.key?.(callRequest('GET', '/v2/me', { 'x-cal-secret-key': secret }))
    expect(platform('one')).not.toBe(platform('two'))
    expect(platform('one')).toMatch(/#[0-9a-f]{12}$/)
  })

  it('shows no credential', () => {
    for (const preset of [calendly, sendgrid, mailchimp, calCom]) {
      expect(keyOf(preset, 'POST', '/v3/mail/send')).not.toContain('one')
    }
  })
})

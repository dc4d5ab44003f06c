import { describe, expect, it } from 'vitest'
import { resilience } from '../../../src/index.ts'
import { preset as acuity } from '../../../src/providers/acuity.ts'
import { preset as calCom } from '../../../src/providers/cal-com.ts'
import { preset as calendly } from '../../../src/providers/calendly.ts'
import { preset as hubspot } from '../../../src/providers/hubspot.ts'
import { mergeOptions } from '../../../src/providers/kit/policy/merge-options.ts'
import { preset as mailchimp, transactionalPreset } from '../../../src/providers/mailchimp.ts'
import { preset as sendgrid } from '../../../src/providers/sendgrid.ts'
import { classified } from '../../support/providers/classified.ts'

const presets = { hubspot, calendly, acuity, calCom, sendgrid, mailchimp, transactionalPreset }

describe('options over a preset', () => {
  it('change the fields that they name, and no other', () => {
    const merged = mergeOptions(hubspot, {
      integration: 'crm',
      attemptTimeoutMs: 5_000,
      retry: { maxAttempts: 2 },
      circuitBreaker: { failureThreshold: 3 },
    })
    expect(merged).toMatchObject({ integration: 'crm', attemptTimeoutMs: 5_000, totalTimeoutMs: 90_000 })
    expect(merged.retry).toEqual({ ...hubspot.retry, maxAttempts: 2 })
    expect(merged.circuitBreaker).toEqual({ ...hubspot.circuitBreaker, failureThreshold: 3 })
    expect(merged.deadLetter).toEqual(hubspot.deadLetter)
  })

  it('turn a layer off by false', () => {
    expect(mergeOptions(hubspot, { retry: false, circuitBreaker: false, deadLetter: false })).toMatchObject({
      retry: false,
      circuitBreaker: false,
      deadLetter: false,
    })
  })

  it('leave the preset where they are undefined', () => {
    const merged = mergeOptions(hubspot, {
      integration: undefined,
      retry: { maxAttempts: undefined },
      circuitBreaker: undefined,
      inspectBody: undefined,
    })
    const inspected = mergeOptions(
      { ...hubspot, inspectBody: { statusCodes: [400], maxBytes: 512 } },
      { inspectBody: { statusCodes: [], maxBytes: undefined } },
    )
    expect(inspected.inspectBody).toEqual({ statusCodes: [400], maxBytes: 512 })
    expect(merged.integration).toBe('hubspot')
    expect(merged.retry).toEqual(hubspot.retry)
    expect(merged.circuitBreaker).toEqual(hubspot.circuitBreaker)
    expect(merged.inspectBody).toEqual(hubspot.inspectBody)
  })

  it('add to the secrets, and never uncover one', () => {
    const { deadLetter } = mergeOptions(calCom, {
      deadLetter: {
        maxBodyBytes: 10,
        redact: { headers: ['x-mine'], body: ['pin'], keepHeaders: ['x-tenant'] },
      },
    })
    expect(deadLetter).toMatchObject({
      maxBodyBytes: 10,
      redact: {
        headers: ['x-cal-secret-key', 'x-cal-client-id', 'x-mine'],
        keepHeaders: ['cal-api-version', 'x-tenant'],
        query: [],
      },
    })
    const { body } = (deadLetter as { redact: { body: string[] } }).redact
    expect(body).toContain('client_secret')
    expect(body).toContain('pin')
  })

  it('keep bodies as they are only when told so in so many words', () => {
    const { deadLetter } = mergeOptions(transactionalPreset, { deadLetter: { redact: { body: false } } })
    expect(deadLetter).toMatchObject({ redact: { body: false } })
    expect(mergeOptions(transactionalPreset, { deadLetter: { maxBodyBytes: 1 } }).deadLetter).toMatchObject({
      redact: { body: ['key'] },
    })
  })

  it('ask their own classify first, and the preset where it has no answer', () => {
    const { classify } = mergeOptions(mailchimp, {
      classify: ({ statusCode }) => (statusCode === 418 ? { kind: 'transient' } : undefined),
    })
    expect(classify?.(classified(418))).toEqual({ kind: 'transient' })
    expect(classify?.(classified(403))).toEqual({ kind: 'rate-limited' })
  })

  it('add to the statuses whose bodies are inspected', () => {
    const { inspectBody } = mergeOptions(mailchimp, { inspectBody: { statusCodes: [207], maxBytes: 100 } })
    expect(inspectBody).toEqual({ statusCodes: [4, 5, 207], maxBytes: 100 })
  })

  it('are refused by name where they are wrong', () => {
    const stack = (options: object) => () => resilience(mergeOptions(hubspot, options))
    expect(stack({ retry: { maxAttempts: 0 } })).toThrow('`retry.maxAttempts` must be an integer >= 1, got 0')
    expect(stack({ classify: 'yes' })).toThrow('`classify` must be a function, got "yes"')
    expect(stack({ inspectBody: { statusCodes: 4 } })).toThrow(
      '`inspectBody.statusCodes` must be an array, got 4',
    )
    expect(stack({ retry: { maxAtempts: 2 } })).toThrow('`retry` has no option `maxAtempts`')
  })
})

describe('a 5xx to a POST that only reads', () => {
  it('leaves nothing in doubt', () => {
    const verdict = hubspot.classify(
      classified(500, { method: 'POST', path: '/crm/v3/objects/contacts/search' }),
    )
    expect(verdict).toEqual({})
  })
})

describe.each(Object.entries(presets))('the preset %s', (_name, preset) => {
  it('makes a stack as it is', async () => {
    await resilience(preset).close()
  })

  it('can be printed, and not be changed for others', () => {
    expect(JSON.parse(JSON.stringify(preset))).toMatchObject({
      integration: preset.integration,
      retry: { maxAttempts: preset.retry.maxAttempts },
    })
    expect(() => Object.assign(preset, { attemptTimeoutMs: 1 })).toThrow(TypeError)
    expect(() => Object.assign(preset.retry, { maxAttempts: 99 })).toThrow(TypeError)
  })

  it('leaves room for a retry within the total time, and waits no longer than it', () => {
    expect(preset.totalTimeoutMs).toBeGreaterThanOrEqual(2 * preset.attemptTimeoutMs)
    expect(preset.retry.maxRetryAfterMs ?? 60_000).toBeLessThan(preset.totalTimeoutMs + 1)
  })

  it('says of a 5xx to a POST that nobody knows whether it was done, and not of a read', () => {
    const to = (method: string, status: number, path = '/things') =>
      preset.classify(classified(status, { method, path }))
    expect(to('POST', 500)).toMatchObject({ delivery: 'unknown' })
    expect(to('POST', 400)).not.toHaveProperty('delivery')
    expect(to('POST', 429)).not.toHaveProperty('delivery')
    expect(to('PUT', 500)).not.toHaveProperty('delivery')
    expect(to('GET', 500)).not.toHaveProperty('delivery')
  })
})

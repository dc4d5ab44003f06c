import type { CallRequest } from '../../call/call-request.ts'
import type { ClassifiedResponse } from '../../classification/options.ts'
import { transientStatusCodes } from '../../http/outcome.ts'
import { perCredential } from '../kit/policy/circuit-key.ts'
import { definePreset, type ProviderPreset, usualCircuit } from '../kit/policy/preset.ts'
import { countsOnly, retryableRoutes, type Route } from '../kit/policy/route.ts'
import { classifyHubSpot } from './classify.ts'

const objects = String.raw`^/crm/(v3/objects|objects/\d{4}-\d{2})/[^/]+`
const search: Route = { method: 'POST', path: new RegExp(`${objects}/search$`) }

/** Requests that may be sent twice although their method does not say so. */
const isIdempotent: (request: CallRequest) => boolean = retryableRoutes([
  search,
  { method: 'POST', path: new RegExp(`${objects}/batch/(read|update|upsert|archive)$`) },
  // these only read
  { method: 'POST', path: /^\/crm\/(v3\/lists|lists\/\d{4}-\d{2})\/search$/ },
  {
    method: 'POST',
    path: /^\/crm\/(v[34]\/associations|associations\/\d{4}-\d{2})\/[^/]+\/[^/]+\/batch\/read$/,
  },
  { method: 'POST', path: /^\/crm\/(v3\/properties|properties\/\d{4}-\d{2})\/[^/]+\/batch\/read$/ },
  // sets the named properties to the named values: the second time changes nothing
  { method: 'PATCH', path: new RegExp(`${objects}/[^/]+$`) },
])

/** The preset for an account in a known time zone, where the end of a daily limit can be told exactly. */
export function presetFor(timeZone: string | undefined): ProviderPreset {
  return definePreset({
    integration: 'hubspot',
    attemptTimeoutMs: 30_000,
    totalTimeoutMs: 90_000,
    retry: {
      maxAttempts: 4,
      initialBackoffMs: 500,
      maxBackoffMs: 12_000,
      maxRetryAfterMs: 60_000,
      statusCodes: [...transientStatusCodes, 423, 477],
      isIdempotent,
    },
    rateLimit: {
      limits: [
        { limit: 100, intervalMs: 10_000 },
        { limit: 5, intervalMs: 1_000, cost: countsOnly(search) },
      ],
      maxWaitMs: 60_000,
    },
    circuitBreaker: {
      ...usualCircuit,
      key: perCredential(),
    },
    deadLetter: {
      redact: {
        headers: ['private-app', 'private-app-legacy'],
        query: ['hapikey'],
        body: ['client_secret', 'refresh_token'],
      },
    },
    classify: (response: ClassifiedResponse) => classifyHubSpot(response, Date.now(), timeZone),
    inspectBody: { statusCodes: [4, 5], maxBytes: 8_192 },
  })
}

/**
 * HubSpot: 100 requests in 10 s, five searches a second, and a daily limit per account, which ends the call with a
 * not-before time instead of being retried; 423, 477 and the 52x of the network before it are retried, 525, 526 and 530
 * are not.
 *
 * @see docs/architecture/providers/hubspot.md for each value and its source
 * @example
 * const stack = resilience({ ...preset, store, retry: { ...preset.retry, maxAttempts: 2 } })
 */
export const preset: ProviderPreset = presetFor(undefined)

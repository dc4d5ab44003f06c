import type { CallRequest } from '../../call/call-request.ts'
import type { ClassifiedResponse } from '../../classification/options.ts'
import { definePreset, type ProviderPreset, retryableRoutes } from '../shared/preset.ts'
import { perCredential } from '../shared/circuit-key.ts'
import { classifyHubSpot } from './classify.ts'

const objects = String.raw`^/crm/(v3/objects|objects/\d{4}-\d{2})/[^/]+`

/** Requests that may be sent twice although their method does not say so. */
const isIdempotent: (request: CallRequest) => boolean = retryableRoutes([
  { method: 'POST', path: new RegExp(`${objects}/(search|batch/(read|update|upsert|archive))$`) },
  // sets the named properties to the named values: the second time changes nothing
  { method: 'PATCH', path: new RegExp(`${objects}/[^/]+$`) },
])

/** The preset for an account in a known time zone, where the end of a daily limit can be told exactly. */
export function presetFor(timeZone: string | undefined): ProviderPreset {
  return definePreset({
    name: 'hubspot',
    attemptTimeoutMs: 30_000,
    totalTimeoutMs: 90_000,
    retry: {
      maxAttempts: 4,
      initialBackoffMs: 500,
      maxBackoffMs: 12_000,
      maxRetryAfterMs: 60_000,
      statusCodes: [408, 423, 429, 477, 500, 501, 502, 503, 504, 521, 523, 524],
      isIdempotent,
    },
    circuitBreaker: {
      failureThreshold: 10,
      windowMs: 30_000,
      timeoutMs: 30_000,
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
 * HubSpot: 100 requests in 10 s and a daily limit per account, which ends the call with a not-before time instead of
 * being retried; 423, 477 and the 52x of the network before it are retried, 522, 525, 526 and 530 are not.
 *
 * @see docs/architecture/providers/hubspot.md for each value and its source
 * @example
 * const stack = resilience({ ...preset, store, retry: { ...preset.retry, maxAttempts: 2 } })
 */
export const preset: ProviderPreset = presetFor(undefined)

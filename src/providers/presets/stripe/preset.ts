import type { CallRequest } from '../../../call/call-request.ts'
import { perCredential } from '../../kit/policy/circuit-key.ts'
import { definePreset, type ProviderPreset, usualCircuit } from '../../kit/policy/preset.ts'
import { pathOf } from '../../kit/policy/route.ts'
import { classifyStripe } from './classify.ts'

const account = perCredential()

/** What has a limit of its own, as far as a path tells: `/v1/customers`, and no id behind it. */
const ENDPOINT_SEGMENTS = 3

/** Files and searches have less than the others. */
function isSlower(request: CallRequest): boolean {
  const path = pathOf(request)
  return path.startsWith('/v1/files') || path.endsWith('/search')
}

/**
 * Stripe: 25 requests a second and endpoint, 20 for files and searches, and 25 in all in a sandbox. `Stripe-Should-Retry`
 * overrules the status; a 500 of a POST is not sent again, since v1 stores it with the key. Keys that the SDK or the caller
 * sets make a POST repeatable after timeouts and other 5xx.
 *
 * @see docs/architecture/providers/presets/stripe.md for each value and its source
 */
export const preset: ProviderPreset = definePreset({
  integration: 'stripe',
  // above the 80 s of its own SDK
  attemptTimeoutMs: 85_000,
  totalTimeoutMs: 200_000,
  retry: { maxAttempts: 3, initialBackoffMs: 500, maxBackoffMs: 5_000 },
  rateLimit: {
    key: (request) =>
      // a sandbox has as little in all as one endpoint has live
      /\b[sr]k_test_/.test(request.headers['authorization'] ?? '')
        ? account(request)
        : account(request) + pathOf(request).split('/', ENDPOINT_SEGMENTS).join('/'),
    limits: [
      { limit: 25, intervalMs: 1_000 },
      { limit: 20, intervalMs: 1_000, cost: (request) => (isSlower(request) ? 1 : 0) },
    ],
  },
  circuitBreaker: { ...usualCircuit, key: account },
  deadLetter: {
    // another account in whose name it is, and the version that it was written for
    redact: { keepHeaders: ['stripe-account', 'stripe-version', 'idempotency-key'] },
  },
  classify: classifyStripe,
  inspectBody: { statusCodes: [4, 5], maxBytes: 8_192 },
})

import { perCredential } from '../shared/circuit-key.ts'
import { definePreset, type ProviderPreset, retryableRoutes } from '../shared/preset.ts'
import { classifyMailchimp } from './classify.ts'

/**
 * Mailchimp Marketing: ten simultaneous connections per account and answers of up to two minutes; a 429, or a 403
 * without a JSON body, waits and goes again. Sending a campaign, events and batches are never repeated blindly.
 *
 * @see docs/architecture/providers/mailchimp.md for each value and its source
 */
export const preset: ProviderPreset = definePreset({
  name: 'mailchimp',
  attemptTimeoutMs: 60_000,
  totalTimeoutMs: 240_000,
  retry: {
    maxAttempts: 4,
    initialBackoffMs: 2_000,
    maxBackoffMs: 30_000,
    isIdempotent: retryableRoutes([
      // sets tags to active or inactive: the second time changes nothing
      { method: 'POST', path: /\/lists\/[^/]+\/members\/[^/]+\/tags$/ },
    ]),
  },
  circuitBreaker: { failureThreshold: 5, windowMs: 60_000, timeoutMs: 60_000, key: perCredential() },
  deadLetter: { redact: { query: ['apikey'], body: ['apikey'] } },
  classify: classifyMailchimp,
  inspectBody: { statusCodes: [4, 5], maxBytes: 8_192 },
})

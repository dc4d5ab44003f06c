import { perCredential } from '../kit/policy/circuit-key.ts'
import { definePreset, type ProviderPreset, usualCircuit } from '../kit/policy/preset.ts'
import { pathOf, retryableRoutes } from '../kit/policy/route.ts'
import { classifyMailchimp, isOfBatches } from './classify.ts'

const account = perCredential()

/**
 * Mailchimp Marketing: ten simultaneous connections per account and answers of up to two minutes; a 429, or a 403
 * without a JSON body, waits and goes again. Sending a campaign, events and batches are never repeated blindly.
 *
 * @see docs/architecture/providers/mailchimp.md for each value and its source
 */
export const preset: ProviderPreset = definePreset({
  integration: 'mailchimp',
  // above Mailchimp's own 120 s: what is cut off before them cannot succeed, and keeps its connection busy all the same
  attemptTimeoutMs: 125_000,
  // two such attempts and the wait between them, and no third
  totalTimeoutMs: 253_000,
  retry: {
    maxAttempts: 4,
    initialBackoffMs: 2_000,
    maxBackoffMs: 30_000,
    isIdempotent: retryableRoutes([
      // sets tags to active or inactive: the second time changes nothing
      { method: 'POST', path: /\/lists\/[^/]+\/members\/[^/]+\/tags$/ },
      // sets named fields of a member to named values
      { method: 'PATCH', path: /\/lists\/[^/]+\/members\/[^/]+$/ },
    ]),
  },
  rateLimit: {
    // batches that wait have a limit of their own, which stops nothing else
    key: (request) => (isOfBatches(pathOf(request)) ? `${account(request)}/batches` : account(request)),
  },
  circuitBreaker: { ...usualCircuit, key: account },
  deadLetter: { redact: { query: ['apikey'], body: ['apikey'] } },
  classify: (response) => classifyMailchimp(response, Date.now()),
  inspectBody: { statusCodes: [4, 5], maxBytes: 8_192 },
})

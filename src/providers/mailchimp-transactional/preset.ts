import { definePreset, type ProviderPreset, retryableRoutes } from '../shared/preset.ts'
import { classifyMandrill } from './classify.ts'

/**
 * Mailchimp Transactional (Mandrill): every call is a POST, so only a list of reading endpoints is retried after a
 * failure; a mail whose fate is unknown is never sent again by itself. The API key travels in the body, as `key`: it is
 * taken out of dead letters, which then cannot be replayed unless they are sealed.
 * `createMailchimpTransactionalClient` adds the key below the stack, and its dead letters can.
 *
 * @see docs/architecture/providers/mailchimp.md for each value and its source
 */
export const transactionalPreset: ProviderPreset = definePreset({
  name: 'mailchimp-transactional',
  attemptTimeoutMs: 30_000,
  totalTimeoutMs: 90_000,
  retry: {
    maxAttempts: 3,
    initialBackoffMs: 1_000,
    maxBackoffMs: 20_000,
    maxBodyBytes: 8_388_608,
    isIdempotent: retryableRoutes([
      { method: 'POST', path: /\/[a-z-]+\/(info|list|ping2?|time-series)(\.json)?$/ },
      { method: 'POST', path: /\/(messages\/search|templates\/render)(\.json)?$/ },
    ]),
  },
  circuitBreaker: { failureThreshold: 8, windowMs: 30_000, timeoutMs: 30_000 },
  deadLetter: { maxBodyBytes: 1_048_576, redact: { body: ['key'] } },
  classify: classifyMandrill,
  inspectBody: { statusCodes: [4, 5], maxBytes: 8_192 },
})

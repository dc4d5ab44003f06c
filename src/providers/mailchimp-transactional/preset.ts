import { definePreset, type ProviderPreset, usualCircuit } from '../kit/policy/preset.ts'
import { retryableRoutes } from '../kit/policy/route.ts'
import { classifyMailchimpTransactional } from './classify.ts'

/**
 * Mailchimp Transactional (formerly Mandrill): every call is a POST, so only a list of reading endpoints is retried after a
 * failure; a mail whose fate is unknown is never sent again by itself. The API key travels in the body, as `key`: it is
 * taken out of dead letters, which then cannot be replayed unless they are sealed.
 * `createMailchimpTransactionalClient` adds the key below the stack, and its dead letters can.
 *
 * @see docs/architecture/providers/mailchimp.md for each value and its source
 */
export const transactionalPreset: ProviderPreset = definePreset({
  integration: 'mailchimp-transactional',
  // above the 300 s of its own SDK: a mail that went out must not become a letter that nobody can be sure of
  attemptTimeoutMs: 305_000,
  totalTimeoutMs: 640_000,
  retry: {
    maxAttempts: 3,
    initialBackoffMs: 1_000,
    maxBackoffMs: 20_000,
    maxBodyBytes: 8_388_608,
    isIdempotent: retryableRoutes([
      { method: 'POST', path: /\/[a-z-]+\/(info|list|ping2?|time-series)(\.json)?$/ },
      { method: 'POST', path: /\/messages\/(search|search-time-series|content|parse)(\.json)?$/ },
      { method: 'POST', path: /\/(templates\/render|senders\/domains|users\/senders)(\.json)?$/ },
    ]),
  },
  rateLimit: {},
  circuitBreaker: { ...usualCircuit },
  deadLetter: { maxBodyBytes: 1_048_576, redact: { body: ['key'] } },
  classify: classifyMailchimpTransactional,
  inspectBody: { statusCodes: [4, 5], maxBytes: 8_192 },
})

import { perCredential } from '../kit/policy/circuit-key.ts'
import { definePreset, type ProviderPreset, usualCircuit } from '../kit/policy/preset.ts'
import { pathOf, retryableRoutes } from '../kit/policy/route.ts'
import { classifySendGrid } from './classify.ts'

const account = perCredential()

/** What has a limit of its own, as far as a path tells: `/v3/marketing/contacts`, and no id behind it. */
const ENDPOINT_SEGMENTS = 3

/**
 * SendGrid: limits per endpoint, a 429 waits until the second that `X-RateLimit-Reset` names. Used-up credits (a 401)
 * end the call with a not-before time. A mail whose fate is unknown is never sent again by itself.
 *
 * @see docs/architecture/providers/sendgrid.md for each value and its source
 */
export const preset: ProviderPreset = definePreset({
  integration: 'sendgrid',
  attemptTimeoutMs: 15_000,
  totalTimeoutMs: 60_000,
  retry: {
    maxAttempts: 4,
    initialBackoffMs: 500,
    maxBackoffMs: 30_000,
    // mails with attachments: what is not recorded cannot be sent again, not even after a 429
    maxBodyBytes: 8_388_608,
    isIdempotent: retryableRoutes([
      { method: 'POST', path: /^\/v3\/marketing\/contacts\/(search(\/emails)?|batch)$/ },
      // puts addresses on a list: the second time they are on it
      { method: 'POST', path: /^\/v3\/asm\/suppressions\/global$/ },
    ]),
  },
  rateLimit: {
    // limits are per endpoint: that of the contacts stops no mail
    key: (request) => {
      const endpoint = pathOf(request).split('/', ENDPOINT_SEGMENTS + 1)
      return account(request) + endpoint.join('/')
    },
  },
  circuitBreaker: { ...usualCircuit },
  deadLetter: {
    // a mail that cannot be kept whole cannot be replayed
    maxBodyBytes: 1_048_576,
    // whose mail it is; without it a replay would send in the name of the parent account
    redact: { keepHeaders: ['on-behalf-of'] },
  },
  classify: (response) => classifySendGrid(response, Date.now()),
  inspectBody: { statusCodes: [4, 5], maxBytes: 8_192 },
})

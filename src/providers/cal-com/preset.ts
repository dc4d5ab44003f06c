import { perCredential } from '../shared/circuit-key.ts'
import { definePreset, type ProviderPreset } from '../shared/preset.ts'
import { classifyCalCom } from './classify.ts'

/** The circuit is per API key or token; platform calls carry theirs in `x-cal-secret-key`. */
const byAuthorization = perCredential()
const bySecretKey = perCredential('x-cal-secret-key')

/**
 * Cal.com: 120 requests a minute by API key, then a block of a minute; few attempts with long waits, since retry storms
 * can lock an account. Bookings are never sent twice after a failure that leaves open whether they arrived.
 *
 * @see docs/architecture/providers/cal-com.md for each value and its source
 */
export const preset: ProviderPreset = definePreset({
  name: 'cal-com',
  attemptTimeoutMs: 20_000,
  totalTimeoutMs: 150_000,
  retry: { maxAttempts: 3, initialBackoffMs: 2_000, maxBackoffMs: 65_000, maxRetryAfterMs: 65_000 },
  circuitBreaker: {
    failureThreshold: 5,
    windowMs: 60_000,
    timeoutMs: 60_000,
    key: (request) =>
      request.headers['authorization'] === undefined ? bySecretKey(request) : byAuthorization(request),
  },
  deadLetter: {
    redact: {
      headers: ['x-cal-secret-key', 'x-cal-client-id'],
      // without it a replay would get the oldest version of the API
      keepHeaders: ['cal-api-version'],
      body: ['client_secret', 'refresh_token', 'refreshToken', 'accessToken'],
    },
  },
  classify: (response) => classifyCalCom(response, Date.now()),
  inspectBody: { statusCodes: [4, 5], maxBytes: 8_192 },
})

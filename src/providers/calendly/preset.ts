import { perCredential } from '../shared/circuit-key.ts'
import { definePreset, type ProviderPreset } from '../shared/preset.ts'
import { classifyCalendly } from './classify.ts'

/**
 * Calendly: 500 requests a minute and user on paid plans, 50 on free ones; a 429 waits until `X-RateLimit-Reset`, up to
 * 65 s. Bookings and cancellations are never sent twice after a failure that leaves open whether they arrived.
 *
 * @see docs/architecture/providers/calendly.md for each value and its source
 */
export const preset: ProviderPreset = definePreset({
  name: 'calendly',
  attemptTimeoutMs: 15_000,
  totalTimeoutMs: 150_000,
  retry: { maxAttempts: 3, initialBackoffMs: 1_000, maxBackoffMs: 65_000, maxRetryAfterMs: 65_000 },
  circuitBreaker: { failureThreshold: 5, windowMs: 60_000, timeoutMs: 60_000, key: perCredential() },
  deadLetter: { redact: { body: ['client_secret', 'refresh_token'] } },
  classify: (response) => classifyCalendly(response, Date.now()),
  inspectBody: { statusCodes: [4, 5], maxBytes: 8_192 },
})

import { perCredential } from '../kit/policy/circuit-key.ts'
import { definePreset, type ProviderPreset, usualCircuit } from '../kit/policy/preset.ts'
import { countsOnly, isOf, type Route } from '../kit/policy/route.ts'
import { classifyCalendly } from './classify.ts'

const account = perCredential()
const booking: Route = { method: 'POST', path: /^\/invitees$/ }
const bookings = countsOnly(booking)

/**
 * Calendly: 500 requests a minute and user, and 10 bookings a minute, 50 an hour, 100 a day, as paid plans other than
 * Enterprise have them; a 429 waits until `X-RateLimit-Reset`, up to 65 s. Bookings and cancellations are never sent twice after a failure that leaves open whether they arrived.
 *
 * @see docs/architecture/providers/calendly.md for each value and its source
 */
export const preset: ProviderPreset = definePreset({
  integration: 'calendly',
  attemptTimeoutMs: 15_000,
  totalTimeoutMs: 150_000,
  retry: { maxAttempts: 3, initialBackoffMs: 1_000, maxBackoffMs: 65_000, maxRetryAfterMs: 65_000 },
  rateLimit: {
    // a booking that has to wait stops no reads
    key: (request) => (isOf(booking, request) ? `${account(request)}/invitees` : account(request)),
    limits: [
      { limit: 500, intervalMs: 60_000 },
      { limit: 10, intervalMs: 60_000, cost: bookings },
      { limit: 50, intervalMs: 3_600_000, cost: bookings },
      { limit: 100, intervalMs: 86_400_000, cost: bookings },
    ],
    maxWaitMs: 65_000,
    // what remains is of a window that may end in a second: a 429 says when, and is waited for
    readLimits: () => [],
  },
  circuitBreaker: { ...usualCircuit, key: account },
  deadLetter: { redact: { body: ['client_secret', 'refresh_token', 'signing_key'] } },
  classify: (response) => classifyCalendly(response, Date.now()),
  inspectBody: { statusCodes: [4, 5], maxBytes: 8_192 },
})

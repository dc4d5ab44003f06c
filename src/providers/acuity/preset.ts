import { perCredential } from '../shared/circuit-key.ts'
import { definePreset, type ProviderPreset, retryableRoutes } from '../shared/preset.ts'
import { classifyAcuity } from './classify.ts'

/**
 * Acuity Scheduling: 10 requests a second and 20 at once; every 4xx but 429 is permanent. Creating an appointment is
 * never repeated blindly; cancelling one is a PUT, and is.
 *
 * @see docs/architecture/providers/acuity.md for each value and its source
 */
export const preset: ProviderPreset = definePreset({
  name: 'acuity',
  attemptTimeoutMs: 20_000,
  totalTimeoutMs: 60_000,
  retry: {
    maxAttempts: 4,
    initialBackoffMs: 1_000,
    maxBackoffMs: 10_000,
    isIdempotent: retryableRoutes([{ method: 'POST', path: /\/availability\/check-times$/ }]),
  },
  circuitBreaker: { failureThreshold: 5, windowMs: 30_000, timeoutMs: 30_000, key: perCredential() },
  deadLetter: { redact: { body: ['client_secret'] } },
  classify: classifyAcuity,
  inspectBody: { statusCodes: [4, 5], maxBytes: 8_192 },
})

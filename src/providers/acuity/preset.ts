import { perCredential } from '../kit/policy/circuit-key.ts'
import { definePreset, type ProviderPreset, usualCircuit } from '../kit/policy/preset.ts'
import { retryableRoutes } from '../kit/policy/route.ts'
import { classifyAcuity } from './classify.ts'

/**
 * Acuity Scheduling: no limit of it is proven, so none is kept to beforehand; every 4xx but 429 is permanent. Creating an
 * appointment is never repeated blindly; cancelling one is a PUT, and is.
 *
 * @see docs/architecture/providers/acuity.md for each value and its source
 */
export const preset: ProviderPreset = definePreset({
  integration: 'acuity',
  attemptTimeoutMs: 20_000,
  totalTimeoutMs: 60_000,
  retry: {
    maxAttempts: 4,
    initialBackoffMs: 1_000,
    maxBackoffMs: 10_000,
    isIdempotent: retryableRoutes([{ method: 'POST', path: /\/availability\/check-times$/ }]),
  },
  rateLimit: {},
  circuitBreaker: { ...usualCircuit, key: perCredential() },
  deadLetter: { redact: { body: ['client_secret'] } },
  classify: classifyAcuity,
  inspectBody: { statusCodes: [4, 5], maxBytes: 8_192 },
})

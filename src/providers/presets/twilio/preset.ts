import { perCredential } from '../../kit/policy/circuit-key.ts'
import { definePreset, type ProviderPreset, usualCircuit } from '../../kit/policy/preset.ts'
import { classifyTwilio } from './classify.ts'

/**
 * Twilio: limits of how much runs at once; a 429 was never processed and always goes again. Sending has no idempotency key: a
 * message whose fate is unknown is never sent again by itself.
 *
 * @see docs/architecture/providers/presets/twilio.md for each value and its source
 */
export const preset: ProviderPreset = definePreset({
  integration: 'twilio',
  attemptTimeoutMs: 35_000,
  totalTimeoutMs: 120_000,
  retry: { maxAttempts: 4, initialBackoffMs: 500, maxBackoffMs: 15_000 },
  rateLimit: {},
  circuitBreaker: { ...usualCircuit, key: perCredential() },
  deadLetter: { redact: { body: ['AuthToken', 'client_secret'] } },
  classify: classifyTwilio,
  inspectBody: { statusCodes: [4, 5], maxBytes: 8_192 },
})

import { perCredential } from '../../kit/policy/circuit-key.ts'
import { definePreset, type ProviderPreset, usualCircuit } from '../../kit/policy/preset.ts'
import { classifyResend } from './classify.ts'

const account = perCredential()

/**
 * Resend: two requests a second and team; quotas of a day and a month come as 429 and end the call with a not-before time.
 * With an `Idempotency-Key` a mail is sent again after a timeout or a 5xx, without one never.
 *
 * @see docs/architecture/providers/presets/resend.md for each value and its source
 */
export const preset: ProviderPreset = definePreset({
  integration: 'resend',
  attemptTimeoutMs: 30_000,
  totalTimeoutMs: 120_000,
  retry: {
    maxAttempts: 4,
    initialBackoffMs: 500,
    maxBackoffMs: 10_000,
    // mails with attachments
    maxBodyBytes: 8_388_608,
  },
  rateLimit: { key: account, limits: [{ limit: 2, intervalMs: 1_000 }], maxWaitMs: 60_000 },
  circuitBreaker: { ...usualCircuit },
  deadLetter: { maxBodyBytes: 1_048_576 },
  classify: (response) => classifyResend(response, Date.now()),
  inspectBody: { statusCodes: [4, 5], maxBytes: 8_192 },
})

import { perCredential } from '../../kit/policy/circuit-key.ts'
import { definePreset, type ProviderPreset, usualCircuit } from '../../kit/policy/preset.ts'
import { classifyGitHub } from './classify.ts'

const account = perCredential()

/**
 * GitHub: limits come as 403 or 429 and are waited out (`Retry-After`, else `X-RateLimit-Reset`, else a minute), since going on
 * may get the integration banned; a wait beyond 65 s is a dead letter with a not-before time. Any other 403 is final.
 *
 * @see docs/architecture/providers/presets/github.md for each value and its source
 */
export const preset: ProviderPreset = definePreset({
  integration: 'github',
  attemptTimeoutMs: 30_000,
  totalTimeoutMs: 150_000,
  retry: { maxAttempts: 3, initialBackoffMs: 1_000, maxBackoffMs: 65_000, maxRetryAfterMs: 65_000 },
  rateLimit: { key: account, maxWaitMs: 65_000 },
  circuitBreaker: { ...usualCircuit },
  deadLetter: { redact: { body: ['client_secret', 'refresh_token'] } },
  classify: (response) => classifyGitHub(response, Date.now()),
  inspectBody: { statusCodes: [4, 5], maxBytes: 8_192 },
})

import { perCredential } from '../../kit/policy/circuit-key.ts'
import { definePreset, type ProviderPreset, usualCircuit } from '../../kit/policy/preset.ts'
import { retryableRoutes } from '../../kit/policy/route.ts'
import { classifyAnthropic } from './classify.ts'

const account = perCredential('x-api-key')
const byToken = perCredential()

/**
 * Anthropic: limits by model class, read from the headers; 529 (overloaded) and 409 are tried again, a spend limit waits for
 * the next month. Answers may take ten minutes. What only generates is sent again: it costs twice, and changes nothing.
 *
 * @see docs/architecture/providers/presets/anthropic.md for each value and its source
 */
export const preset: ProviderPreset = definePreset({
  integration: 'anthropic',
  // above the ten minutes of its own SDK
  attemptTimeoutMs: 605_000,
  totalTimeoutMs: 1_300_000,
  retry: {
    maxAttempts: 4,
    initialBackoffMs: 1_000,
    maxBackoffMs: 30_000,
    // conversations with images
    maxBodyBytes: 8_388_608,
    isIdempotent: retryableRoutes([{ method: 'POST', path: /\/v1\/messages(\/count_tokens)?$/ }]),
  },
  rateLimit: { maxWaitMs: 60_000 },
  circuitBreaker: {
    ...usualCircuit,
    key: (request) => (request.headers['x-api-key'] === undefined ? byToken(request) : account(request)),
  },
  deadLetter: {
    maxBodyBytes: 1_048_576,
    redact: {
      headers: ['x-api-key'],
      // without it every request is refused
      keepHeaders: ['anthropic-version', 'anthropic-beta'],
    },
  },
  classify: (response) => classifyAnthropic(response, Date.now()),
  inspectBody: { statusCodes: [4, 5], maxBytes: 8_192 },
})

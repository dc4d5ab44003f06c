import { perCredential } from '../../kit/policy/circuit-key.ts'
import { definePreset, type ProviderPreset, usualCircuit } from '../../kit/policy/preset.ts'
import { retryableRoutes } from '../../kit/policy/route.ts'
import { classifyOpenAI } from './classify.ts'

/**
 * OpenAI: limits by tier, read from the headers (`x-ratelimit-reset-*` are durations such as `6m0s`). Used-up credit and spend
 * limits are never retried, and kept. Answers may take ten minutes. What only generates is sent again: it costs twice, and
 * changes nothing.
 *
 * @see docs/architecture/providers/presets/openai.md for each value and its source
 */
export const preset: ProviderPreset = definePreset({
  integration: 'openai',
  // above the ten minutes of its own SDK
  attemptTimeoutMs: 605_000,
  totalTimeoutMs: 1_300_000,
  retry: {
    maxAttempts: 3,
    initialBackoffMs: 1_000,
    maxBackoffMs: 30_000,
    // conversations with images
    maxBodyBytes: 8_388_608,
    isIdempotent: retryableRoutes([
      { method: 'POST', path: /\/v1\/(chat\/completions|completions|responses|embeddings|moderations)$/ },
    ]),
  },
  rateLimit: { maxWaitMs: 60_000 },
  circuitBreaker: { ...usualCircuit, key: perCredential() },
  deadLetter: {
    maxBodyBytes: 1_048_576,
    // in whose name it is
    redact: { keepHeaders: ['openai-organization', 'openai-project', 'openai-beta'] },
  },
  classify: classifyOpenAI,
  inspectBody: { statusCodes: [4, 5], maxBytes: 8_192 },
})

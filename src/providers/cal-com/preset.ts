import type { CallRequest } from '../../call/call-request.ts'
import { perCredential } from '../kit/policy/circuit-key.ts'
import { definePreset, type ProviderPreset, usualCircuit } from '../kit/policy/preset.ts'
import { classifyCalCom } from './classify.ts'

/** The circuit is per API key or token; platform calls carry theirs in `x-cal-secret-key`. */
const byAuthorization = perCredential()
const bySecretKey = perCredential('x-cal-secret-key')
const account = (request: CallRequest): string =>
  request.headers['authorization'] === undefined ? bySecretKey(request) : byAuthorization(request)

/**
 * Cal.com: 120 requests a minute by API key, then a block of a minute; four a second, few at once and few attempts with
 * long waits, since bursts can lock an account. Bookings are never sent twice after a failure that leaves open whether they arrived.
 *
 * @see docs/architecture/providers/cal-com.md for each value and its source
 */
export const preset: ProviderPreset = definePreset({
  integration: 'cal-com',
  attemptTimeoutMs: 20_000,
  totalTimeoutMs: 150_000,
  retry: { maxAttempts: 3, initialBackoffMs: 2_000, maxBackoffMs: 65_000, maxRetryAfterMs: 65_000 },
  rateLimit: {
    key: account,
    limits: [
      { limit: 120, intervalMs: 60_000 },
      // no limit of Cal.com's: bursts are what is said to have locked accounts
      { limit: 4, intervalMs: 1_000 },
    ],
    maxWaitMs: 65_000,
    // of several limits one that is used up refuses nobody
    readLimits: () => [],
  },
  circuitBreaker: { ...usualCircuit, key: account },
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

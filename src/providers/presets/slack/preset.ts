import type { CallRequest } from '../../../call/call-request.ts'
import { perCredential } from '../../kit/policy/circuit-key.ts'
import { errorBody, textOf } from '../../kit/policy/error-body.ts'
import { definePreset, type ProviderPreset, usualCircuit } from '../../kit/policy/preset.ts'
import { isOf, pathOf, retryableRoutes, type Route } from '../../kit/policy/route.ts'
import { classifySlack } from './classify.ts'

const account = perCredential()
const postMessage: Route = { method: 'POST', path: /\/api\/chat\.postMessage$/ }

/** Methods that only read, though the SDK sends all as POST: by their names. */
const isRead = retryableRoutes([
  { method: 'POST', path: /\/api\/[a-z]+(\.[a-zA-Z]+)*\.(list|info|history|replies|members|lookupByEmail)$/ },
  { method: 'POST', path: /\/api\/(auth|api)\.test$/ },
])

/** Messages that went under their method: their body can be read after that, and must not change what they cost. */
const withoutChannel = new WeakSet<CallRequest>()

/** The channel of a message, where the body is at hand before it is sent. */
function channelOf(request: CallRequest): string | undefined {
  if (!isOf(postMessage, request) || withoutChannel.has(request)) return undefined
  const { body } = request
  if (body === undefined) {
    withoutChannel.add(request)
    return undefined
  }
  const text = Buffer.from(body).toString()
  return textOf(errorBody(text), 'channel') ?? new URLSearchParams(text).get('channel') ?? undefined
}

/**
 * Slack: limits per method, app and workspace, waited out by `Retry-After`; one message a second and channel where the channel
 * can be read from the body. Failures come with status 200 and are read from the body: what may have been done is not posted
 * again.
 *
 * @see docs/architecture/providers/presets/slack.md for each value and its source
 */
export const preset: ProviderPreset = definePreset({
  integration: 'slack',
  attemptTimeoutMs: 30_000,
  totalTimeoutMs: 150_000,
  retry: {
    maxAttempts: 4,
    initialBackoffMs: 1_000,
    maxBackoffMs: 30_000,
    isIdempotent: isRead,
  },
  rateLimit: {
    // a method that has to wait stops no other
    key: (request) => {
      const channel = channelOf(request)
      const method = account(request) + pathOf(request)
      return channel === undefined ? method : `${method}/${channel}`
    },
    limits: [{ limit: 1, intervalMs: 1_000, cost: (request) => (channelOf(request) === undefined ? 0 : 1) }],
    maxWaitMs: 60_000,
  },
  circuitBreaker: { ...usualCircuit },
  deadLetter: { redact: { body: ['token', 'client_secret', 'refresh_token'] } },
  classify: (response) => classifySlack(response, isRead),
  inspectBody: { statusCodes: [200, 4, 5], maxBytes: 8_192 },
})

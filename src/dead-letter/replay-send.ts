import { getGlobalDispatcher, request, type Dispatcher } from 'undici'
import { runInCallScope, type CallScope } from '../call/call-options.ts'
import { deliveryOfError, errorCode } from '../call/outcome.ts'
import { retryAfterOf } from '../call/retry-after.ts'
import { isIntegrationError } from '../errors.ts'
import type { DeadLetter } from './record.ts'
import type { ReplayOutcome } from './replay-decision.ts'
import type { ReplayRequest } from './replay-request.ts'

/** The most of a response that is read to keep its connection, in bytes. */
const DUMP_BYTES = 64 * 1024

/**
 * Sends one request, once: no retry, no redirect, no second dead letter, whatever the dispatcher is composed of. Its
 * circuit holds.
 */
export async function sendReplay(
  entry: DeadLetter,
  { url, method, headers, body }: ReplayRequest,
  dispatcher: Dispatcher | undefined,
  timeoutMs: number,
): Promise<ReplayOutcome> {
  // Everything is said: the scope of whoever started the replay must not reach its requests.
  const scope = {
    deadLetter: false,
    retry: false,
    idempotencyKey: entry.idempotencyKey,
    labels: entry.labels,
    orderingKey: undefined,
    onCall: undefined,
  } as unknown as CallScope
  const deadline = new AbortController()
  const timer = setTimeout(() => deadline.abort(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs)
  try {
    const options = {
      dispatcher: dispatcher ?? getGlobalDispatcher(),
      method,
      headers,
      body,
      signal: deadline.signal,
    }
    const response = await runInCallScope(scope, () =>
      // a redirect interceptor in the dispatcher would carry credentials to another origin
      request(url, { ...options, maxRedirections: 0 } as unknown as Parameters<typeof request>[1]),
    )
    // the status is known: what happens to the rest of the body changes nothing
    await response.body.dump({ limit: DUMP_BYTES, signal: deadline.signal }).catch(() => undefined)
    const retryAfterMs = retryAfterOf(response.statusCode, response.headers, Date.now())
    return { kind: 'response', statusCode: response.statusCode, retryAfterMs }
  } catch (error) {
    if (deadline.signal.aborted) return { kind: 'error', code: 'ERR_TIMEOUT', delivery: 'unknown' }
    const code = errorCode(error) ?? (error instanceof Error ? error.name : 'Error')
    if (code === 'ERR_CIRCUIT_OPEN' && isIntegrationError(error)) {
      const { retryAfterMs } = error as { retryAfterMs?: unknown }
      return { kind: 'open', retryAfterMs: typeof retryAfterMs === 'number' ? retryAfterMs : 0 }
    }
    return { kind: 'error', code, delivery: deliveryOfError(error, true) }
  } finally {
    clearTimeout(timer)
  }
}

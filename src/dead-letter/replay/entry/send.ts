import { getGlobalDispatcher, request, type Dispatcher } from 'undici'
import type { Attempt } from '../../../call/attempt.ts'
import { runInCallScope, type CallScope } from '../../../call/call-options.ts'
import { interceptor, send } from '../../../call/layer.ts'
import { isIntegrationError, isError } from '../../../errors.ts'
import { deliveryOfError, errorCode } from '../../../http/delivery.ts'
import { errorHeaders, errorStatus } from '../../../http/error-status.ts'
import { askedWaitOf } from '../../../http/waits/asked-wait.ts'
import type { DeadLetter } from '../../record/record.ts'
import type { ReplayOutcome } from './outcome.ts'
import type { ReplayRequest } from './request.ts'
import { ReplayTooLateError, StartInTimeHandler } from './start-in-time.ts'

/** The most of a response that is read to keep its connection, in bytes. */
const DUMP_BYTES = 64 * 1024

/**
 * The share of its time for which a request waits in line for a permit or a circuit. It is turned away where that takes
 * longer: sent at the last moment it would be cut off while the server acts on it.
 */
const SHARE_IN_LINE = 0.25

/** What a request is sent with. */
export interface SendRules {
  readonly dispatcher: Dispatcher | undefined
  /** Says what responses mean, where the dispatcher has no such layer. */
  readonly classifier: Dispatcher.DispatcherComposeInterceptor | undefined
}

/**
 * Sends one request, once: no retry, no redirect, no second dead letter, whatever the dispatcher is composed of. A
 * circuit breaker in it still applies, and the verdict of its `classify` is told.
 */
export async function sendReplay(
  entry: DeadLetter,
  { url, method, headers, body }: ReplayRequest,
  rules: SendRules,
  timeoutMs: number,
): Promise<ReplayOutcome> {
  // All of it, so that nothing of the scope in which the replay was started reaches its requests.
  const scope = {
    deadLetter: false,
    retry: false,
    // it is among the headers
    idempotencyKey: undefined,
    keyed: undefined,
    labels: entry.labels,
    orderingKey: undefined,
    rateLimit: undefined,
    priority: 'background',
    onCall: undefined,
  } as unknown as CallScope
  const sent = new SentRequest(entry.integration, timeoutMs)
  const deadline = new AbortController()
  // an answer that came while the process could not run is read first: one poll phase
  let check: NodeJS.Immediate | undefined
  const timer = setTimeout(() => {
    check = setImmediate(() => deadline.abort(new Error(`no answer within ${timeoutMs} ms`)))
  }, timeoutMs)
  try {
    const options = {
      dispatcher: sent.dispatcherOver(rules),
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
    return answered(response.statusCode, response.headers, sent)
  } catch (error) {
    if (error instanceof ReplayTooLateError) return { kind: 'error', code: error.code, delivery: 'not-sent' }
    if (deadline.signal.aborted) {
      return { kind: 'error', code: 'ERR_TIMEOUT', delivery: sent.started ? 'unknown' : 'not-sent' }
    }
    const statusCode = errorStatus(error)
    // an interceptor made an error of the response: undici's responseError()
    if (statusCode !== undefined) return answered(statusCode, errorHeaders(error), sent)
    const code = errorCode(error) ?? (isError(error) ? error.name : 'Error')
    if (isIntegrationError(error) && turnedAway.has(code)) {
      const { retryAfterMs } = error as { retryAfterMs?: unknown }
      return { kind: 'turned-away', code, retryAfterMs: typeof retryAfterMs === 'number' ? retryAfterMs : 0 }
    }
    return { kind: 'error', code, delivery: deliveryOfError(error, sent.started, sent.atOnce) }
  } finally {
    clearTimeout(timer)
    if (check !== undefined) clearImmediate(check)
  }
}

/** Of layers that let nothing through for now. */
const turnedAway = new Set(['ERR_CIRCUIT_OPEN', 'ERR_RATE_LIMITED', 'ERR_BULKHEAD_FULL', 'ERR_SHUTDOWN'])

function answered(
  statusCode: number,
  headers: Parameters<typeof askedWaitOf>[1],
  { verdict }: SentRequest,
): ReplayOutcome {
  const retryAfterMs = askedWaitOf(statusCode, headers, Date.now())
  return { kind: 'response', statusCode, retryAfterMs, verdict }
}

/** The request on its way: what the layers under it leave on its attempt. */
class SentRequest {
  readonly #integration: string
  /** `performance.now()` milliseconds until which it may be written. */
  readonly #latest: number
  readonly #lineUntil: number
  #attempt: Attempt | undefined
  #atOnce = false

  constructor(integration: string, timeoutMs: number) {
    const now = performance.now()
    this.#integration = integration
    this.#latest = now + timeoutMs
    this.#lineUntil = now + timeoutMs * SHARE_IN_LINE
  }

  /** A connection has taken it up. */
  get started(): boolean {
    return this.#attempt?.started === true
  }

  /** Its error came while it was handed over. */
  get atOnce(): boolean {
    return this.#atOnce
  }

  get verdict(): Attempt['verdict'] {
    return this.#attempt?.call.attempt.verdict
  }

  /** One that only dispatches will do for undici's `request`, as it does for the option. */
  dispatcherOver({ dispatcher = getGlobalDispatcher(), classifier }: SendRules): Dispatcher {
    const bare: Dispatcher.Dispatch = (options, handler) => dispatcher.dispatch(options, handler)
    const judged = classifier === undefined ? bare : classifier(bare)
    const outermost = interceptor(this.#integration, (next) => (attempt, options, handler) => {
      this.#attempt = attempt
      const { call } = attempt
      call.deadline = Math.min(call.deadline, this.#lineUntil)
      return send(
        next,
        attempt,
        options,
        new StartInTimeHandler(attempt, handler, this.#latest, this.#failed),
      )
    })
    return { dispatch: outermost(judged) } as unknown as Dispatcher
  }

  readonly #failed = (): void => {
    this.#atOnce = this.#attempt?.fresh === true
  }
}

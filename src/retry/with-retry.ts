import { errorCode, type Outcome, responseOutcome } from '../call/outcome.ts'
import { RateLimitError } from '../errors.ts'
import { MAX_TIMER_MS, objectOption, stringOption } from '../options.ts'
import { channels, type CallEvent } from '../telemetry/channels.ts'
import { type Logger, loggerOption, Reporter } from '../telemetry/reporter.ts'
import { CallScope } from './call-scope.ts'
import { decideRetry } from './decision.ts'
import { resolveRetryOptions, retryOptionNames, type RetryOptions, type RetryPolicy } from './options.ts'

/** What the function is told of the attempt. */
export interface AttemptContext {
  /** The first is 1. */
  attempt: number
  /** Aborted with `options.signal`, and when the attempt's or the total time is up. */
  signal: AbortSignal
}

export interface WithRetryOptions extends RetryOptions {
  /** Ends the attempt in hand and any wait, at once. */
  signal?: AbortSignal
  /** The longest time over all attempts and waits, in milliseconds. Default: none. */
  totalTimeoutMs?: number
  /** The name in events and logs. Default 'default'. */
  name?: string
  logger?: Logger
}

/**
 * Runs work that is not a fetch, an SDK call for example, until it succeeds or the attempts are used up, with the same
 * policy as the `retry` interceptor. The work must be safe to repeat: only you can know.
 *
 * Tried again: errors with a transient code (`error.code`, or of its `cause`) or status (`statusCode`, `status`,
 * `response.status`), and errors that carry neither. Not tried again: an abort, errors of the program (TypeError and
 * its like, unless a network error caused them), any other code or status. `isRetryableError` decides before that.
 *
 * @returns what `fn` returned
 * @throws the last error of `fn` as it was; `signal.reason` after an abort
 * @example
 * const contact = await withRetry(({ signal }) => sdk.getContact(id, { signal }), { maxAttempts: 3 })
 */
export async function withRetry<T>(
  fn: (context: AttemptContext) => T | PromiseLike<T>,
  options: WithRetryOptions = {},
): Promise<T> {
  if (typeof fn !== 'function') throw new TypeError(`\`fn\` must be a function, got ${String(fn)}`)
  objectOption('withRetry', options, [...retryOptionNames, 'signal', 'totalTimeoutMs', 'name', 'logger'])
  const { signal, totalTimeoutMs, name = 'default', logger, ...own } = options
  const policy = resolveRetryOptions(own)
  const reporter = new Reporter(stringOption('name', name), loggerOption('logger', logger))
  const scope = new CallScope(signal, totalTimeoutMs, name)
  try {
    return await attempts(fn, policy, reporter, scope)
  } finally {
    scope.end()
  }
}

async function attempts<T>(
  fn: (context: AttemptContext) => T | PromiseLike<T>,
  policy: RetryPolicy,
  reporter: Reporter,
  scope: CallScope,
): Promise<T> {
  let previousDelayMs = 0
  for (let attempt = 1; ; attempt++) {
    scope.signal.throwIfAborted()
    const startedAt = performance.now()
    try {
      return await scope.race(() => fn({ attempt, signal: scope.signal }))
    } catch (error) {
      // the end of the call, whatever the function made of it
      scope.signal.throwIfAborted()
      const outcome = outcomeOf(error, policy, reporter)
      if (outcome === undefined) throw error
      const decision = decideRetry(policy, {
        outcome,
        attempt,
        idempotent: true,
        bodyReplayable: true,
        previousDelayMs,
        remainingMs: scope.deadline - performance.now(),
        now: Date.now(),
        random: Math.random(),
      })
      report(reporter, error, outcome, attempt, performance.now() - startedAt, decision)
      if (!decision.retry) throw error
      previousDelayMs = decision.delayMs
      await scope.wait(Math.min(decision.delayMs + 1, MAX_TIMER_MS))
    }
  }
}

interface StatusFacts {
  statusCode?: unknown
  status?: unknown
  response?: { status?: unknown; statusCode?: unknown } | null
}

/** What an error of unknown work means; `undefined` when another attempt would not change it. */
function outcomeOf(error: unknown, policy: RetryPolicy, reporter: Reporter): Outcome | undefined {
  const wrapped = error instanceof Error ? error : new Error(String(error), { cause: error })
  const decided = saidOf(policy, wrapped, reporter)
  if (decided === false) return undefined
  const status = statusOf(error)
  if (status !== undefined) {
    const retryAfterMs = error instanceof RateLimitError ? error.retryAfterMs : undefined
    const transient = decided === true || policy.statusCodes.has(status)
    if (!transient) return undefined
    return responseOutcome(status, headersOf(error), {
      kind: 'transient',
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    })
  }
  const code = errorCode(error)
  const transient =
    decided === true ||
    (code === undefined ? !isFinalByKind(wrapped) : policy.errorCodes.has(code) && !isAbort(wrapped))
  if (!transient) return undefined
  return responseOutcome(0, {}, { kind: 'transient', code: code ?? wrapped.name })
}

/** A hook that throws must not hide the error of the work. */
function saidOf(policy: RetryPolicy, error: Error, reporter: Reporter): boolean | undefined {
  try {
    return policy.isRetryableError?.(error)
  } catch (failure) {
    reporter.hookFailed('isRetryableError', failure)
    return undefined
  }
}

function statusOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null) return undefined
  const facts = error as StatusFacts
  const status = facts.statusCode ?? facts.status ?? facts.response?.status ?? facts.response?.statusCode
  return typeof status === 'number' && status >= 100 ? status : undefined
}

function headersOf(error: unknown): Record<string, string> {
  const headers = (error as { response?: { headers?: unknown } | null }).response?.headers
  const value =
    headers instanceof Headers
      ? headers.get('retry-after')
      : (headers as Record<string, unknown> | null | undefined)?.['retry-after']
  return typeof value === 'string' ? { 'retry-after': value } : {}
}

function isAbort(error: Error): boolean {
  return error.name === 'AbortError'
}

/** A mistake in the program does not go away by itself. */
function isFinalByKind(error: Error): boolean {
  return (
    isAbort(error) ||
    error instanceof TypeError ||
    error instanceof RangeError ||
    error instanceof SyntaxError ||
    error instanceof ReferenceError
  )
}

function report(
  reporter: Reporter,
  error: unknown,
  outcome: Outcome,
  attempt: number,
  durationMs: number,
  decision: ReturnType<typeof decideRetry>,
): void {
  const event: CallEvent = {
    integration: reporter.integration,
    method: '',
    url: '',
    attempt,
    statusCode: outcome.kind === 'response' && outcome.statusCode > 0 ? outcome.statusCode : undefined,
    code: errorCode(error),
  }
  const cause = error instanceof Error ? error : undefined
  if (reporter.hears(channels.attemptFailed)) {
    reporter.attemptFailed({ ...event, error: cause, durationMs: Math.round(durationMs) })
  }
  if (decision.retry) {
    if (reporter.hears(channels.retryScheduled)) {
      reporter.retryScheduled({ ...event, delayMs: decision.delayMs, retryAfterMs: decision.retryAfterMs })
    }
  } else if (decision.givenUp !== undefined && reporter.hears(channels.callGivenUp)) {
    reporter.callGivenUp({ ...event, error: cause, reason: decision.givenUp.reason })
  }
}

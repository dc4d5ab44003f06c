import { type Checks, duration, optional, resolveOptions, withDefault } from '../checks.ts'
import { addCallerStack, asError, RateLimitError, isError } from '../errors.ts'
import { deliveryOfError, errorCode } from '../http/delivery.ts'
import { errorHeaders, errorStatus, isAbort } from '../http/error-status.ts'
import { type Outcome, responseOutcome } from '../http/outcome.ts'
import { integrationOption, MAX_TIMER_MS, signalOption, workOption } from '../options.ts'
import { channels, type CallEvent } from '../telemetry/channels.ts'
import { type Logger, loggerOption, Reporter } from '../telemetry/reporter.ts'
import type { RetryBudget } from './budget/budget.ts'
import { functionBudget } from './budget/function-budgets.ts'
import { decideRetry, isTransientCode, type RetryDecision } from './decision.ts'
import { FunctionCall } from './function-call.ts'
import { retryChecks, type RetryOptions, type RetryPolicy } from './options.ts'
import { usersWordOn } from './users-word.ts'
import { whyGivenUp } from './why-given-up.ts'

/** What the function is told of the attempt. */
export interface AttemptContext {
  /** The first is 1. */
  attempt: number
  /** Aborted with `options.signal`, and when the attempt's or the total time is up. */
  signal: AbortSignal
}

/** Options of `withRetry`. */
export interface WithRetryOptions extends RetryOptions {
  /** Ends the attempt in hand and any wait, at once. */
  signal?: AbortSignal | undefined
  /** The longest time over all attempts and waits, in milliseconds. Default: none. */
  totalTimeoutMs?: number | undefined
  /** The label in events and logs. Default 'default'. Calls with the same one share their retry `budget`; else there is none. */
  integration?: string | undefined
  /** Structured logs of attempts, retries and calls given up. */
  logger?: Logger | undefined
}

interface WithRetryPolicy extends RetryPolicy {
  readonly signal: AbortSignal | undefined
  readonly totalTimeoutMs: number | undefined
  readonly integration: string
  readonly logger: Logger | undefined
}

/**
 * Runs work that is not a fetch, an SDK call for example, until it succeeds or the attempts are used up, with the same
 * policy as the `retry` interceptor. The work must be safe to repeat: only you can know.
 *
 * Tried again: errors with a transient code (`error.code`, or of its `cause`) or status (`statusCode`, `status`,
 * `response.status`, `response.statusCode`), and errors that carry neither; never before the wait that the headers of
 * their response ask for. Not tried again: an abort, errors of the program (TypeError and its like, unless a network
 * error caused them), any other code or status. `isRetryableError` decides before that.
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
  workOption('fn', fn)
  const { signal, totalTimeoutMs, integration, logger, ...policy } = resolveOptions(
    'withRetry',
    withRetryChecks,
    options,
  )
  const reporter = new Reporter(integration, logger)
  const call = new FunctionCall(signal, totalTimeoutMs, integration)
  const budget = functionBudget(policy.budget, options.integration)
  try {
    return await attempts(fn, policy, reporter, call, budget)
  } catch (error) {
    throw error === call.timeout ? addCallerStack(error) : error
  } finally {
    call.end()
  }
}

const withRetryChecks: Checks<WithRetryOptions, WithRetryPolicy> = {
  ...retryChecks,
  signal: signalOption,
  totalTimeoutMs: optional(duration({ min: 1 })),
  integration: withDefault(integrationOption, 'default'),
  logger: loggerOption,
}

async function attempts<T>(
  fn: (context: AttemptContext) => T | PromiseLike<T>,
  policy: RetryPolicy,
  reporter: Reporter,
  call: FunctionCall,
  budget: RetryBudget | undefined,
): Promise<T> {
  let turn: FunctionTurn = { number: 1, delayMs: 0, paidBy: undefined }
  for (let attempt = 1; ; attempt++) {
    call.signal.throwIfAborted()
    const startedAt = performance.now()
    try {
      const made = await call.race(() => fn({ attempt, signal: call.signal }))
      if (attempt === 1) budget?.called(startedAt)
      budget?.succeeded(turn.paidBy !== undefined)
      return made
    } catch (error) {
      // the end of the call, whatever the function made of it
      call.signal.throwIfAborted()
      const outcome = outcomeOf(error, policy, reporter)
      if (outcome === undefined) throw error
      if (attempt === 1) budget?.called(startedAt)
      const event = eventOf(reporter, error, outcome, attempt)
      tellFailure(reporter, event, performance.now() - startedAt)
      const next = await nextTurn(policy, outcome, turn, call, budget, (decision) =>
        tellDecision(reporter, event, decision),
      )
      if (next === undefined) throw error
      turn = next
    }
  }
}

/** When an attempt is made, and what pays for it. */
interface FunctionTurn {
  /** The first is 1; those that were let pass count too. */
  readonly number: number
  /** The wait before it, in milliseconds. */
  readonly delayMs: number
  readonly paidBy: RetryBudget | undefined
}

/** Waits for the turn of the next attempt; where the budget is empty by then, for the one after it, to the last. */
async function nextTurn(
  policy: RetryPolicy,
  outcome: Outcome,
  last: FunctionTurn,
  call: FunctionCall,
  budget: RetryBudget | undefined,
  tell: (decision: RetryDecision) => void,
): Promise<FunctionTurn | undefined> {
  let { number, delayMs } = last
  for (;;) {
    const decision = decideRetry(policy, {
      outcome,
      attempt: number,
      repeatable: true,
      bodyRereadable: true,
      previousDelayMs: delayMs,
      remainingMs: call.deadline - performance.now(),
      now: Date.now(),
      random: Math.random(),
    })
    if (!decision.retry) {
      // it has let turns pass
      if (number > last.number) budget?.refuse()
      tell(
        number > last.number
          ? { retry: false, givenUp: { reason: 'budget', why: whyGivenUp.budget } }
          : decision,
      )
      return undefined
    }
    delayMs = decision.delayMs
    number += 1
    const paidBy = decision.costs ? budget : undefined
    const taken = paidBy?.tryTake(performance.now()) ?? true
    if (taken) tell(decision)
    try {
      await call.wait(Math.min(delayMs + 1, MAX_TIMER_MS))
    } catch (ended) {
      if (taken) paidBy?.giveBack()
      throw ended
    }
    if (!taken && paidBy?.tryTake(performance.now()) !== true) continue
    if (!taken) tell({ ...decision, delayMs: 0 })
    return { number, delayMs, paidBy }
  }
}

/** What an error of unknown work means; `undefined` when another attempt would not change it. */
function outcomeOf(error: unknown, policy: RetryPolicy, reporter: Reporter): Outcome | undefined {
  const wrapped = asError(error)
  const decided = usersWordOn(wrapped, policy, reporter)
  if (decided === false) return undefined
  const status = errorStatus(error)
  if (status !== undefined) {
    const retryAfterMs = error instanceof RateLimitError ? error.retryAfterMs : undefined
    const transient = decided === true || policy.statusCodes.has(status)
    if (!transient) return undefined
    return responseOutcome(status, errorHeaders(error), {
      kind: 'transient',
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    })
  }
  const code = errorCode(error)
  const transient =
    decided === true ||
    (code === undefined
      ? !isFinalByKind(wrapped)
      : isTransientCode(policy, code, deliveryOfError(error, true)) && !isAbort(wrapped))
  if (!transient) return undefined
  return responseOutcome(0, {}, { kind: 'transient', code: code ?? wrapped.name })
}

/** By their names: under Jest the constructors of Node's own errors are not those that a module sees. */
const programErrors = new Set(['TypeError', 'RangeError', 'SyntaxError', 'ReferenceError'])

/** A mistake in the program does not go away by itself. */
function isFinalByKind(error: Error): boolean {
  return isAbort(error) || programErrors.has(error.name)
}

function eventOf(reporter: Reporter, error: unknown, outcome: Outcome, attempt: number): FailureEvent {
  return {
    integration: reporter.integration,
    method: '',
    url: '',
    attempt,
    statusCode: outcome.kind === 'response' && outcome.statusCode > 0 ? outcome.statusCode : undefined,
    code: errorCode(error),
    error: isError(error) ? error : undefined,
  }
}

type FailureEvent = CallEvent & { readonly error: Error | undefined }

function tellFailure(reporter: Reporter, event: FailureEvent, durationMs: number): void {
  if (!reporter.hears(channels.attemptFailed)) return
  reporter.attemptFailed({ ...event, durationMs: Math.round(durationMs) })
}

function tellDecision(reporter: Reporter, event: FailureEvent, decision: RetryDecision): void {
  if (decision.retry) {
    const { error: _error, ...rest } = event
    const { delayMs, retryAfterMs } = decision
    if (reporter.hears(channels.retryScheduled)) reporter.retryScheduled({ ...rest, delayMs, retryAfterMs })
  } else if (decision.givenUp !== undefined && reporter.hears(channels.callGivenUp)) {
    const { reason, why } = decision.givenUp
    reporter.callGivenUp({ ...event, reason, why })
  }
}

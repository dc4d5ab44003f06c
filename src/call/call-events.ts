import { errorCode, isRefusalOfOurs } from '../http/delivery.ts'
import { channels, type AttemptStartEvent, type CallStartEvent } from '../telemetry/channels.ts'
import { toldError } from '../telemetry/told-error.ts'
import type { Attempt } from './attempt.ts'
import type { Call } from './call.ts'

// looked up once: four times in each call it is not for nothing
const { callStart, callDone: callEnd, attemptStart, attemptDone: attemptEnd } = channels

/** The start and the end of each call and attempt. Nobody listening, nobody pays: events are built for subscribers alone. */
export function callStarts(call: Call): void {
  if (callStart.hasSubscribers) callStart.publish(callEvent(call))
}

export function attemptStarts(attempt: Attempt): void {
  if (attemptStart.hasSubscribers) attemptStart.publish(attemptEvent(attempt))
}

/** Told by whoever ends it: the layer that gives it up, or the front desk that hands it to the caller. Once. */
export function attemptDone(attempt: Attempt, error: Error | undefined): void {
  if (attemptEnd.hasSubscribers) {
    attempt.call.runInAsyncScope(publishAttempt, undefined, attempt, error)
  }
}

export function callDone(call: Call, error: Error | undefined): void {
  if (callEnd.hasSubscribers) call.runInAsyncScope(publishCall, undefined, call, error)
}

function publishAttempt(attempt: Attempt, error: Error | undefined): void {
  if (attempt.told) return
  attempt.told = true
  const code = errorCode(error)
  attemptEnd.publish({
    ...attemptEvent(attempt),
    outcome: attemptOutcome(attempt, error, code),
    durationMs: performance.now() - attempt.startedAt,
    statusCode: attempt.statusCode,
    code: error === undefined ? attempt.verdict?.code : code,
    error: error && toldError(error),
  })
}

function publishCall(call: Call, error: Error | undefined): void {
  callEnd.publish({
    ...callEvent(call),
    outcome: error === undefined ? 'response' : call.cancelled ? 'cancelled' : 'error',
    attempts: call.attempts,
    durationMs: performance.now() - call.startedAt,
    statusCode: call.attempt.statusCode,
    code: errorCode(error),
    error: error && toldError(error),
    reason: call.givenUp?.reason,
    deadLetterId: call.deadLetterId,
  })
}

function attemptOutcome(
  { call }: Attempt,
  error: Error | undefined,
  code: string | undefined,
): 'response' | 'error' | 'refused' | 'cancelled' {
  if (error === undefined) return 'response'
  if (call.cancelled) return 'cancelled'
  return isRefusalOfOurs(code, (error as { statusCode?: unknown }).statusCode) ? 'refused' : 'error'
}

function callEvent(call: Call): CallStartEvent {
  const { id, integration, method, redactedUrl: url, labels } = call
  return { id, integration, method, url, labels }
}

function attemptEvent(attempt: Attempt): AttemptStartEvent {
  return { ...callEvent(attempt.call), attempt: attempt.number }
}

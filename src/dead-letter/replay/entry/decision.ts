import { isCallersOwn, isMalformedRequest } from '../../../http/delivery.ts'
import { isUnanswered, mayBeInProgress } from '../../../http/in-progress.ts'
import {
  deliveryOfOutcome,
  isCircuitFailure,
  responseOutcome,
  transientStatusCodes,
} from '../../../http/outcome.ts'
import {
  type DeadLetter,
  type DeadLetterReplay,
  idempotencyKeyOf,
  isRepeatable,
} from '../../record/record.ts'
import { mayHaveArrivedAt } from './hold-back.ts'
import type { Judgement, OriginWord } from './judgement.ts'
import type { ReplayOutcome } from './outcome.ts'
import type { DoneReason } from './reasons.ts'

export interface ReplayPolicy {
  readonly maxReplays: number
  readonly initialBackoffMs: number
  readonly maxBackoffMs: number
}

/** What an outcome is judged by, beside the entry. */
export interface ReplayFacts {
  /** When the request was sent, epoch milliseconds. */
  readonly at: number
  /** How long it took, in milliseconds. */
  readonly ms: number
  /** Epoch milliseconds. */
  readonly now: number
  /** In [0, 1). */
  readonly random: number
  /** The origin answers others, and this entry has failed before: the failure is its own. */
  readonly ownFailure: boolean
  /** How long the origin is left alone after it failed, in milliseconds. */
  readonly outageWaitMs: number
  /** Headers of the call that the request went without. */
  readonly lacks: readonly string[]
}

/** The shortest wait of an entry for which nothing was sent: it must not come again and again within one run. */
const MIN_UNSENT_MS = 1000

/** The wait before the next replay, in milliseconds: doubles with each one, spread over its upper half. */
export function replayDelay(policy: ReplayPolicy, count: number, random: number): number {
  const base = Math.min(policy.maxBackoffMs, policy.initialBackoffMs * 2 ** Math.min(count, 30))
  return Math.round(base / 2 + (base / 2) * random)
}

/** The wait of an entry that cannot be sent as things are, in milliseconds. */
export function unsentDelay(policy: ReplayPolicy, entry: DeadLetter, random: number): number {
  return Math.max(MIN_UNSENT_MS, replayDelay(policy, entry.replayCount, random))
}

/** What an outcome means for its entry and for the entry's origin. */
export function judgeReplay(
  entry: DeadLetter,
  outcome: ReplayOutcome,
  facts: ReplayFacts,
  policy: ReplayPolicy,
): Judgement {
  return new Judge(entry, facts, policy).judge(outcome)
}

class Judge {
  readonly #entry: DeadLetter
  readonly #facts: ReplayFacts
  readonly #policy: ReplayPolicy
  readonly #base: { readonly at: number; readonly ms: number }

  constructor(entry: DeadLetter, facts: ReplayFacts, policy: ReplayPolicy) {
    this.#entry = entry
    this.#facts = facts
    this.#policy = policy
    this.#base = { at: facts.at, ms: Math.max(0, Math.round(facts.ms)) }
  }

  judge(outcome: ReplayOutcome): Judgement {
    if (outcome.kind === 'response') return this.#answered(outcome)
    if (outcome.kind === 'error') return this.#failed(outcome)
    const { code, retryAfterMs: askedMs } = outcome
    if (code === 'ERR_RATE_LIMITED') {
      return {
        settlement: { outcome: 'later', delayMs: askedMs },
        reason: 'rate-limited',
        message: `not let through: ${code}`,
        origin: { says: 'wait', askedMs },
      }
    }
    const waitMs = Math.max(askedMs, MIN_UNSENT_MS)
    return {
      settlement: { outcome: 'later', delayMs: waitMs },
      reason: 'circuit-open',
      message: `not let through: ${code}`,
      origin: { says: 'no', reason: 'circuit-open', waitMs },
    }
  }

  #answered({ statusCode, retryAfterMs, verdict }: ReplayOutcome & { kind: 'response' }): Judgement {
    const kind = verdict?.kind
    const askedMs = this.#asked(retryAfterMs, verdict)
    const failed: DeadLetterReplay = { ...this.#base, outcome: 'failed', statusCode }
    const answered = `answered ${statusCode}${verdict?.code === undefined ? '' : ` (${verdict.code.slice(0, 100)})`}`

    if (kind === 'success' || (kind === undefined && isTaken(statusCode))) {
      return this.#done('taken', statusCode)
    }
    if (kind === 'rate-limited' || (kind === undefined && statusCode === 429)) {
      const delayMs = askedMs ?? this.#facts.outageWaitMs
      return {
        settlement: { outcome: 'later', delayMs, replay: failed },
        reason: 'rate-limited',
        message:
          askedMs === undefined ? answered : `${answered}, to be asked again in ${Math.ceil(askedMs)} ms`,
        origin: { says: 'wait', askedMs },
      }
    }
    if ((statusCode === 401 || statusCode === 403) && kind !== 'transient') {
      const delayMs = Math.max(this.#facts.outageWaitMs, askedMs ?? 0)
      return {
        settlement: { outcome: 'later', delayMs, replay: failed },
        reason: 'credentials',
        message: `${answered}: the credentials, or their rights, do not do`,
        origin: { says: 'no', reason: 'credentials', waitMs: delayMs },
      }
    }
    if (
      this.#entry.request.method === 'DELETE' &&
      (statusCode === 404 || statusCode === 410) &&
      kind !== 'transient'
    ) {
      const { lacks } = this.#facts
      if (lacks.length === 0) return this.#done('already-gone', statusCode)
      // what is there may be hidden from strangers
      return this.#refused(failed, `refused: ${answered}, without ${lacks.join(', ')}: it may still be there`)
    }
    if (mayBeInProgress(statusCode, verdict) && this.#mayBeWorkedOn(statusCode)) {
      return {
        settlement: { outcome: 'later', delayMs: this.#delay(askedMs), replay: failed },
        reason: 'in-progress',
        message: `${answered}: the provider may still work on an earlier attempt`,
        origin: { says: 'up' },
      }
    }
    if (kind === 'transient' || (kind === undefined && saysNotNow(statusCode))) {
      const answer = responseOutcome(statusCode, {}, verdict)
      if (deliveryOfOutcome(answer) === 'unknown' && !isRepeatable(this.#entry)) {
        return this.#inDoubt(
          failed,
          answered,
          isCircuitFailure(answer) ? { says: 'down', askedMs } : { says: 'up' },
        )
      }
      if (isCircuitFailure(answer)) {
        return this.#outage(failed, answered, askedMs)
      }
      // a wait that only the verdict knows is of this entry: the headers ask nothing of the others
      return this.#usedUp(failed, answered, askedMs, retryAfterMs)
    }
    const note =
      statusCode >= 300 && statusCode < 400
        ? `redirected with ${statusCode}, which a replay does not follow`
        : `refused: ${answered}`
    return this.#refused(failed, note)
  }

  #refused(replay: DeadLetterReplay, note: string): Judgement {
    return {
      settlement: { outcome: 'quarantined', replay: { ...replay, outcome: 'refused' }, note },
      reason: 'refused',
      message: note,
      origin: { says: 'up' },
    }
  }

  #failed({ code, delivery }: ReplayOutcome & { kind: 'error' }): Judgement {
    const failed: DeadLetterReplay = { ...this.#base, outcome: 'failed', code: code.slice(0, 256) }
    const shown = code.slice(0, 200)
    if (isMalformedRequest(code) || (delivery === 'not-sent' && isOfThisProcess(code))) {
      const waitMs = unsentDelay(this.#policy, this.#entry, this.#facts.random)
      return {
        settlement: { outcome: 'later', delayMs: waitMs, replay: { ...failed, outcome: 'refused' } },
        reason: 'not-sent',
        message: `not sent: ${shown}`,
        // the next one may be well formed and in time; a closed dispatcher stays closed
        origin:
          isCallersOwn(code) && !isMalformedRequest(code)
            ? { says: 'no', reason: 'not-sent', waitMs }
            : { says: 'nothing' },
      }
    }
    if (delivery === 'not-sent') {
      return this.#outage({ ...failed, outcome: 'refused' }, `not reached: ${shown}`, undefined)
    }
    // its maxResponseSize: the server has answered
    if (isCallersOwn(code) && isRepeatable(this.#entry)) {
      return this.#usedUp(failed, shown, undefined, undefined)
    }
    if (!isRepeatable(this.#entry)) return this.#inDoubt(failed, shown, { says: 'down', askedMs: undefined })
    return this.#outage(failed, `no answer: ${shown}`, undefined)
  }

  #done(reason: DoneReason, statusCode: number): Judgement {
    return {
      settlement: { outcome: 'done', replay: { ...this.#base, outcome: 'done', statusCode } },
      reason,
      ...(reason === 'taken'
        ? {}
        : { message: `answered ${statusCode}: what was to be deleted is not there` }),
      origin: { says: 'up' },
    }
  }

  /** The origin failed: that uses up a replay only of an entry that fails alone. */
  #outage(replay: DeadLetterReplay, message: string, askedMs: number | undefined): Judgement {
    const origin: OriginWord = { says: 'down', askedMs }
    if (this.#facts.ownFailure && replay.outcome === 'failed') {
      return { ...this.#usedUp(replay, message, askedMs, askedMs), origin }
    }
    const delayMs = Math.max(this.#facts.outageWaitMs, askedMs ?? 0)
    return { settlement: { outcome: 'later', delayMs, replay }, reason: 'outage', message, origin }
  }

  /** @param originMs how long its origin is left alone as well */
  #usedUp(
    replay: DeadLetterReplay,
    message: string,
    askedMs: number | undefined,
    originMs: number | undefined,
  ): Judgement {
    const { maxReplays } = this.#policy
    return {
      settlement: { outcome: 'failed', replay, delayMs: this.#delay(askedMs), maxReplays },
      reason: this.#entry.replayCount + 1 >= maxReplays ? 'replays-used-up' : 'failed',
      message,
      origin: originMs === undefined ? { says: 'up' } : { says: 'wait', askedMs: originMs },
    }
  }

  #inDoubt(replay: DeadLetterReplay, what: string, origin: OriginWord): Judgement {
    const note = `may have been sent: ${what}`
    return {
      settlement: { outcome: 'in-doubt', replay: { ...replay, outcome: 'in-doubt' }, note },
      reason: 'may-have-arrived',
      message: note,
      origin,
    }
  }

  #delay(askedMs: number | undefined): number {
    return Math.max(replayDelay(this.#policy, this.#entry.replays.length, this.#facts.random), askedMs ?? 0)
  }

  #asked(
    retryAfterMs: number | undefined,
    verdict: (ReplayOutcome & { kind: 'response' })['verdict'],
  ): number | undefined {
    const notBeforeMs = verdict?.notBefore === undefined ? undefined : verdict.notBefore - this.#facts.now
    const asked = [retryAfterMs, verdict?.retryAfterMs, notBeforeMs].filter((ms) => ms !== undefined)
    return asked.length === 0 ? undefined : Math.max(0, ...asked)
  }

  /** An answer that says so again and again is no longer believed: a conflict is one. */
  #mayBeWorkedOn(statusCode: number): boolean {
    const { history, replays } = this.#entry
    if (replays.filter((one) => one.statusCode === statusCode).length >= this.#policy.maxReplays) return false
    if (statusCode === 425) return true
    const unanswered =
      mayHaveArrivedAt(this.#entry) !== undefined || [...history, ...replays].some(isUnanswered)
    return idempotencyKeyOf(this.#entry) !== undefined && unanswered
  }
}

function isTaken(statusCode: number): boolean {
  return statusCode < 300 || statusCode === 303 || statusCode === 304
}

function saysNotNow(statusCode: number): boolean {
  return statusCode >= 500 || transientStatusCodes.includes(statusCode)
}

/** A dispatcher that is closed, a proxy that says no, a process that stood still: nothing that the server did. */
function isOfThisProcess(code: string): boolean {
  return isCallersOwn(code) || code === 'ERR_REPLAY_TOO_LATE'
}

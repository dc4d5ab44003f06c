import { type Checks, onlyOf, withDefault } from '../../checks.ts'
import { booleanOption } from '../../options.ts'
import { systemScheduler } from '../../time/clock.ts'
import { DeadLetterFormatError, recordFromValue, replaysFromValue } from '../record/json.ts'
import {
  type DeadLetter,
  type DeadLetterRecord,
  type DeadLetterReplay,
  isRepeatable,
  originOf,
} from '../record/record.ts'
import { isReplayable, lapse, settled } from '../store/lifecycle.ts'
import { judgeReplay, unsentDelay } from './entry/decision.ts'
import type { Judgement } from './entry/judgement.ts'
import { prepare } from './entry/prepare.ts'
import type { AgainReason, DoneReason, HoldReason, NeverReason } from './entry/reasons.ts'
import { sendReplay } from './entry/send.ts'
import type { ReplayOptions } from './options.ts'
import { ReplayOrigins } from './origins.ts'
import { type CheckedReplayOptions, replayChecks, type ReplayPlan } from './plan.ts'

type OfRuns =
  | 'filter'
  | 'ids'
  | 'concurrency'
  | 'ratePerSecond'
  | 'dryRun'
  | 'signal'
  | 'onProgress'
  | 'leaseMs'
  | 'lapseDelayMs'
  | 'limit'
  | 'logger'

/** Options of the replay of one record. */
export interface ReplayOneOptions extends Omit<ReplayOptions, OfRuns> {
  /**
   * The queue has handed the record out before, and never heard how it ended: that consumer may have sent it. One that must
   * not be sent twice is then held, as when a replayer was lost; any other uses up a replay and comes back later. Default
   * false.
   */
  redelivered?: boolean | undefined
}

/** What every result of `replayDeadLetter` has. */
interface ReplayResultFacts {
  /** In words, for people. */
  readonly message?: string | undefined
  /** The status of the answer, where there was one. */
  readonly statusCode?: number | undefined
  /** The code of the error, where there was no answer. */
  readonly code?: string | undefined
  /** What to keep with the record, so that its next replay knows of this one: `{ ...record, ...result.state }`. */
  readonly state: {
    readonly replayCount: number
    readonly replays: readonly DeadLetterReplay[]
  }
}

/** What became of one record, and what is to be done next. */
export type ReplayResult =
  /** Nothing is left to do: forget it. */
  | (ReplayResultFacts & { readonly outcome: 'done'; readonly reason: DoneReason })
  /** Hand it in again, after `afterMs` milliseconds at the earliest. Only `failed` and `lapsed` have used up a replay. */
  | (ReplayResultFacts & {
      readonly outcome: 'again'
      readonly reason: AgainReason
      readonly afterMs: number
    })
  /** A person has to decide. */
  | (ReplayResultFacts & { readonly outcome: 'hold'; readonly reason: HoldReason })
  /** It will not be taken as it is: set it aside. */
  | (ReplayResultFacts & { readonly outcome: 'never'; readonly reason: NeverReason })

// its check would take a logger here too
const { logger: _ofRuns, ...checksOfBoth } = replayChecks

export const replayOneChecks: Checks<
  ReplayOneOptions & { [Name in OfRuns]?: undefined },
  CheckedReplayOptions & { readonly redelivered: boolean }
> = {
  ...checksOfBoth,
  redelivered: withDefault(booleanOption, false),
  filter: onlyOf('replayDeadLetters', {}),
  ids: onlyOf('replayDeadLetters', undefined),
  concurrency: onlyOf('replayDeadLetters', 1),
  ratePerSecond: onlyOf('replayDeadLetters', Infinity),
  dryRun: onlyOf('replayDeadLetters', false),
  signal: onlyOf('replayDeadLetters', undefined),
  onProgress: onlyOf('replayDeadLetters', undefined),
  leaseMs: onlyOf('replayDeadLetters', 60_000),
  lapseDelayMs: onlyOf('replayDeadLetters', 0),
  limit: onlyOf('replayDeadLetters', Infinity),
  logger: onlyOf('replayDeadLetters', undefined),
}

/** What is known of origins by those that replay without a store, for each dispatcher. */
const knownOrigins = new WeakMap<object, ReplayOrigins>()
const ofTheGlobalDispatcher = {}

function originsOf({ dispatcher = ofTheGlobalDispatcher as never }: ReplayPlan): ReplayOrigins {
  let origins = knownOrigins.get(dispatcher)
  if (origins === undefined) knownOrigins.set(dispatcher, (origins = new ReplayOrigins(systemScheduler)))
  return origins
}

/** Replays one record, which no store holds: the same rules as in a run. */
export async function replayOne(
  record: DeadLetterRecord | DeadLetter,
  plan: ReplayPlan,
  redelivered: boolean,
): Promise<ReplayResult> {
  const entry = readEntry(record)
  if (entry instanceof DeadLetterFormatError) {
    return {
      outcome: 'never',
      reason: 'damaged',
      message: entry.message,
      state: { replayCount: 0, replays: [] },
    }
  }
  const { replayCount, replays } = entry
  const unchanged = { state: { replayCount, replays } }
  if (!isReplayable(entry)) {
    const message = `not replayable: ${entry.notReplayableReason ?? 'body-unavailable'}`
    return { outcome: 'never', reason: 'not-replayable', message, ...unchanged }
  }
  if (redelivered) return afterLapse(entry, plan)
  const notDueMs = (entry.notBefore ?? 0) - Date.now()
  if (notDueMs > 0) {
    const message = 'the provider wants it later'
    return { outcome: 'again', reason: 'not-due', afterMs: notDueMs, message, ...unchanged }
  }
  const origins = originsOf(plan)
  // consumers have records of many accounts: the limits and outages of one are not another's
  const origin = `${originOf(entry)} ${entry.integration}`
  const alone = origins.leftAlone(origin)
  // of the other reasons the next try may be free: with new credentials, a circuit that has closed
  if (alone !== undefined && (alone.askedMs > 0 || alone.reason === 'outage')) {
    const { afterMs, message } = alone
    const reason = alone.reason === 'outage' ? 'outage' : 'rate-limited'
    return {
      outcome: 'again',
      reason,
      afterMs: Math.ceil(afterMs),
      message: `left alone: ${message}`,
      ...unchanged,
    }
  }
  const prepared = await prepare(entry, plan)
  if (prepared.then === 'discard') {
    return { outcome: 'done', reason: 'discarded', message: 'discarded by `decide`', ...unchanged }
  }
  if (prepared.then === 'settle') return resultOf(entry, prepared.judgement)

  const at = Date.now()
  const began = performance.now()
  const outcome = await sendReplay(entry, prepared.request, plan, plan.timeoutMs)
  const facts = {
    at,
    ms: performance.now() - began,
    now: Date.now(),
    random: Math.random(),
    ownFailure: origins.isOwnFailure(entry, origin),
    outageWaitMs: origins.outageWaitMs(origin, entry, plan),
    lacks: prepared.request.lacks,
  }
  const judgement = judgeReplay(entry, outcome, facts, plan)
  origins.hear(origin, judgement.origin, judgement.message ?? '', plan)
  return {
    ...resultOf(entry, judgement),
    ...(outcome.kind === 'response' ? { statusCode: outcome.statusCode } : { code: outcome.code }),
  }
}

/** What becomes of it when its last consumer was lost: the rule of leases that lapse while sending. */
function afterLapse(entry: DeadLetter, plan: ReplayPlan): ReplayResult {
  const now = Date.now()
  const delayMs = unsentDelay(plan, entry, Math.random())
  const { status, replayCount, replays, note } = lapse(
    { ...entry, status: 'sending' },
    { repeatable: isRepeatable(entry), leaseUntil: now, now },
    { maxReplays: plan.maxReplays, lapseDelayMs: delayMs },
  )
  const facts = { state: { replayCount, replays } }
  if (status === 'in-doubt') return { outcome: 'hold', reason: 'may-have-arrived', message: note, ...facts }
  if (status === 'quarantined') {
    return { outcome: 'never', reason: 'replays-used-up', message: note, ...facts }
  }
  const message = 'the consumer was lost, maybe while sending'
  return { outcome: 'again', reason: 'lapsed', afterMs: delayMs, message, ...facts }
}

/** A record of a queue is what somebody else has written: it is read as one of a store is. */
function readEntry(record: DeadLetterRecord | DeadLetter): DeadLetter | DeadLetterFormatError {
  try {
    const { request, sealed, replays = [], replayCount = 0, note } = record as Partial<DeadLetter>
    const read = recordFromValue(record, request?.body, sealed?.data)
    return {
      ...read,
      status: 'leased',
      dueAt: 0,
      replayCount: typeof replayCount === 'number' ? replayCount : 0,
      replays: replaysFromValue(replays),
      ...(typeof note === 'string' ? { note } : {}),
    }
  } catch (error) {
    if (error instanceof DeadLetterFormatError) return error
    throw error
  }
}

function resultOf(entry: DeadLetter, { settlement, reason, message }: Judgement): ReplayResult {
  const { state } = settled(entry, settlement, Date.now())
  const { replays } = entry
  const facts = {
    ...(message === undefined ? {} : { message }),
    state: {
      replayCount: state?.replayCount ?? entry.replayCount,
      replays:
        state?.replays ??
        ('replay' in settlement && settlement.replay ? [...replays, settlement.replay] : replays),
    },
  }
  switch (settlement.outcome) {
    case 'done':
      return { outcome: 'done', reason: reason as DoneReason, ...facts }
    case 'in-doubt':
      return { outcome: 'hold', reason: reason as HoldReason, ...facts }
    case 'quarantined':
      return { outcome: 'never', reason: reason as NeverReason, ...facts }
    case 'failed':
    case 'later':
      return reason === 'replays-used-up'
        ? { outcome: 'never', reason, ...facts }
        : {
            outcome: 'again',
            reason: reason as AgainReason,
            afterMs: Math.ceil(settlement.delayMs),
            ...facts,
          }
  }
}

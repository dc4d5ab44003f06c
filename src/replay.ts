import type { Dispatcher } from 'undici'
import { type Checks, needs, object, optional, resolveOptions } from './checks.ts'
import { classification } from './classification/interceptor.ts'
import {
  type Classify,
  type InspectBodyOptions,
  inspectBodyChecks,
  type InspectBodyPolicy,
  inspectNothing,
} from './classification/options.ts'
import type { DeadLetter, DeadLetterRecord } from './dead-letter/record/record.ts'
import {
  replayOne,
  type ReplayOneOptions,
  replayOneChecks,
  type ReplayResult,
} from './dead-letter/replay/one.ts'
import type { ReplayOptions } from './dead-letter/replay/options.ts'
import {
  type CheckedReplayOptions,
  replayChecks,
  replayPlan,
  type ReplayPlan,
} from './dead-letter/replay/plan.ts'
import { runPlan } from './dead-letter/replay/replay.ts'
import {
  type Replayer,
  replayerChecks,
  type ReplayerOptions,
  RunningReplayer,
} from './dead-letter/replay/replayer.ts'
import type { ReplaySummary } from './dead-letter/replay/summary.ts'
import type { DeadLetterStore } from './dead-letter/store/store.ts'
import { hookOption, shown } from './options.ts'
import { deadLetterStoreOption } from './store.ts'
import { type Logger, Reporter } from './telemetry/reporter.ts'

/** Says at a replay what responses mean, for a dispatcher that has no `classify` of its own. */
export interface ReplayClassifyOptions {
  /**
   * The same as `classify` of the stack: its verdict counts before the status, so that a refusal inside a 200 is not taken
   * for done. Default: what the dispatcher's own `classify` says; else the status decides.
   */
  classify?: Classify | undefined
  /** Which responses are held until `classify` has seen the start of their body. Needs `classify`. Default: none. */
  inspectBody?: InspectBodyOptions | undefined
}

interface ReplayClassifyPolicy {
  readonly classify: Classify | undefined
  readonly inspectBody: InspectBodyPolicy | undefined
}

const classifyChecks: Checks<ReplayClassifyOptions, ReplayClassifyPolicy> = {
  classify: hookOption,
  inspectBody: optional(needs('classify', object(inspectBodyChecks))),
}

function classifierOf({
  classify,
  inspectBody = inspectNothing,
  logger,
}: ReplayClassifyPolicy & { readonly logger: Logger | undefined }):
  Dispatcher.DispatcherComposeInterceptor | undefined {
  if (classify === undefined) return undefined
  return classification({ classify, inspectBody }, new Reporter('replay', logger))
}

const deadLettersChecks: Checks<
  ReplayOptions & ReplayClassifyOptions,
  CheckedReplayOptions & ReplayClassifyPolicy
> = {
  ...replayChecks,
  ...classifyChecks,
}

/**
 * Sends dead letters again, each at most once at a time over all replayers of the store. Credentials are attached anew,
 * only for `allowedOrigins`. An entry that the server takes is removed; one that fails comes back after a backoff, until
 * `maxReplays` are used up. An origin that is down, wants to be asked later, or refuses the credentials, is left alone and
 * uses up nothing, while the others go on. At least once: a repeatable entry may be sent again when a replayer was lost
 * while sending.
 *
 * Where somebody else may have tried again meanwhile (a job queue, a person, the SDK), say so with `decide`.
 *
 * @returns what was done; it rejects only for bad options and when the store fails
 * @throws TypeError, RangeError naming option, bound and value
 * @example
 * const summary = await replayDeadLetters(stack.deadLetters, {
 *   allowedOrigins: ['https://api.hubapi.com'],
 *   credentials: () => ({ authorization: `Bearer ${token}` }),
 *   filter: { reason: 'circuit-open' },
 *   decide: async ({ labels }) => ((await orders.isPaid(labels?.order)) ? 'discard' : 'send'),
 * })
 */
export async function replayDeadLetters(
  deadLetters: DeadLetterStore,
  options: ReplayOptions & ReplayClassifyOptions,
): Promise<ReplaySummary> {
  deadLetterStoreOption('deadLetters', deadLetters)
  const { classify, inspectBody, ...checked } = resolveOptions(
    'replayDeadLetters',
    deadLettersChecks,
    options,
  )
  return runPlan(
    deadLetters,
    replayPlan(checked, classifierOf({ classify, inspectBody, logger: checked.logger })),
  )
}

const startChecks: Checks<
  Parameters<typeof startReplayer>[1],
  CheckedReplayOptions & ReplayClassifyPolicy & { readonly intervalMs: number | undefined }
> = { ...replayerChecks, ...classifyChecks }

/**
 * Replays dead letters again and again until closed. Any number of processes may do so on one store. A run that fails
 * because the store is away is logged, and the next one comes all the same. An origin that is down is tried with one
 * request at a time, after waits that grow from `initialBackoffMs` to five minutes.
 *
 * @throws TypeError, RangeError naming option, bound and value
 * @example
 * const replayer = startReplayer(stack.deadLetters, {
 *   allowedOrigins: ['https://api.hubapi.com'],
 *   credentials: () => ({ authorization: `Bearer ${token}` }),
 * })
 * process.on('SIGTERM', () => void replayer.close())
 */
export function startReplayer(
  deadLetters: DeadLetterStore,
  options: ReplayerOptions & ReplayClassifyOptions,
): Replayer {
  deadLetterStoreOption('deadLetters', deadLetters)
  const { classify, inspectBody, intervalMs, ...checked } = resolveOptions(
    'startReplayer',
    startChecks,
    options,
  )
  const plan = replayPlan(checked, classifierOf({ classify, inspectBody, logger: checked.logger }))
  return new RunningReplayer(deadLetters, plan, intervalMs)
}

/** Options of the replay of one record, checked. */
export type CheckedOneOptions = CheckedReplayOptions &
  ReplayClassifyPolicy & { readonly redelivered: boolean }

/** The options of the replay of one record: consumers of queues have them too. */
export const oneChecks: Checks<ReplayOneOptions & ReplayClassifyOptions, CheckedOneOptions> = {
  ...replayOneChecks,
  ...classifyChecks,
}

/** The plan by which one record after the other is replayed. */
export function planOfOne({ classify, inspectBody, ...checked }: CheckedOneOptions): ReplayPlan {
  return replayPlan(checked, classifierOf({ classify, inspectBody, logger: checked.logger }))
}

/**
 * Sends one dead letter again, by the same rules as a run over a store, for whoever has the record from elsewhere: the
 * consumer of a queue, a console. It needs no store and changes none; the caller does what the result says. Two must not
 * be at it with the same record at a time: that is what the queue's own lock or the store's claim is for.
 *
 * @returns what became of it, and what is to be done next; it never rejects for what the provider does
 * @throws TypeError, RangeError naming option, bound and value
 * @example
 * const result = await replayDeadLetter(record, {
 *   allowedOrigins: ['https://api.hubapi.com'],
 *   credentials: () => ({ authorization: `Bearer ${token}` }),
 * })
 * if (result.outcome === 'again') {
 *   await queue.add(encodeDeadLetter({ ...record, ...result.state }), { delay: result.afterMs })
 * }
 * if (result.outcome === 'hold' || result.outcome === 'never') await parked.add({ record, why: result.message })
 */
export async function replayDeadLetter(
  record: DeadLetterRecord | DeadLetter,
  options: ReplayOneOptions & ReplayClassifyOptions,
): Promise<ReplayResult> {
  if (typeof record !== 'object' || record === null || Array.isArray(record)) {
    throw new TypeError(`\`record\` must be a dead letter, got ${shown(record)}`)
  }
  const checked = resolveOptions('replayDeadLetter', oneChecks, options)
  return replayOne(record, planOfOne(checked), checked.redelivered)
}

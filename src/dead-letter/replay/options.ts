import type { Dispatcher } from 'undici'
import type { Logger } from '../../telemetry/reporter.ts'
import type { DeadLetter } from '../record/record.ts'
import type { SealKeys } from '../record/sealing.ts'
import type { DeadLetterFilter } from '../store/query/filter.ts'
import type { ReplayDecision } from './entry/prepare.ts'
import type { AgainReason, DoneReason, HoldReason, NeverReason } from './entry/reasons.ts'
import type { ReplayCredentials } from './entry/request.ts'
import type { ReplaySummary } from './summary.ts'

/** What happened to one entry. */
export interface ReplayProgress {
  readonly id: string
  readonly integration: string
  readonly method: string
  /** Redacted. */
  readonly url: string
  /** What became of it: as in the `ReplaySummary`, which counts them; `would-send` in a dry run. */
  readonly outcome:
    | 'done'
    | 'failed'
    | 'later'
    | 'refused'
    | 'quarantined'
    | 'in-doubt'
    | 'discarded'
    | 'skipped'
    | 'corrupt'
    | 'would-send'
  /** Of the answer, where there was one. */
  readonly statusCode?: number | undefined
  /** Why, in one word. */
  readonly reason?: DoneReason | AgainReason | HoldReason | NeverReason | undefined
  /** Why, in a sentence: what is missing, which circuit is open. */
  readonly message?: string | undefined
  /** The run so far. */
  readonly summary: Readonly<ReplaySummary>
}

/** What a dry run asks of circuits: the handle of a stack, or those of a store. */
interface ReplayCircuits {
  state(key: string): { readonly state: string; readonly override?: string }
}

/** Options of `replayDeadLetters`, and with less or more of `startReplayer` and `replayDeadLetter`. */
export interface ReplayOptions {
  /**
   * Where entries may go: exact origins, `https://api.hubapi.com`. Entries of other origins are left alone: whoever can
   * write the store could otherwise have credentials sent anywhere.
   */
  allowedOrigins: readonly string[]
  /** Sends the requests. Default: undici's global dispatcher. One with our stack obeys the circuit. */
  dispatcher?: Dispatcher | undefined
  /**
   * For a dry run: the circuits that the dispatcher obeys, `stack.circuits`. Entries of an origin whose circuit is open or
   * isolated are then told as `later`. Default: none is looked at.
   */
  circuits?: ReplayCircuits | undefined
  /**
   * The credentials for an entry, attached after its origin was checked: headers, or `{ headers, query }`. Never stored.
   * Default: none; an entry whose call had some is then not sent (`missingHeaders`), as with one that is empty, or was made
   * of a value that is not there: `Bearer undefined`.
   */
  credentials?: ((record: DeadLetter) => ReplayCredentials | Promise<ReplayCredentials>) | undefined
  /** Which entries; evaluated in the store. Default: all that are due. */
  filter?: DeadLetterFilter | undefined
  /** Only these, due or not, in doubt and quarantined ones included: a person's decision. */
  ids?: readonly string[] | undefined
  /**
   * Asked just before an entry is sent, whether it still should be: the world may have gone on since it was captured, by a
   * later version that went through, or a caller that tried again itself. `send` it, `discard` it for good, or `hold` it
   * in doubt for a person. Asked in a dry run too. Default: all are sent. When it throws, the entry waits.
   */
  decide?: ((record: DeadLetter) => ReplayDecision | Promise<ReplayDecision>) | undefined
  /** Requests at the same time, to each origin. Default 4. */
  concurrency?: number | undefined
  /** Requests per second at most, to each origin, so that live traffic goes first. Default 20; `Infinity` for no limit. */
  ratePerSecond?: number | undefined
  /**
   * Sends and changes nothing, and publishes no events; tells `onProgress` what would become of each entry: `decide` and
   * `credentials` are asked as in the run itself. Default false.
   */
  dryRun?: boolean | undefined
  /** Ends the run: nothing more is sent, what is being sent is finished and recorded. */
  signal?: AbortSignal | undefined
  /** Told of each entry's turn, when it is over. Waited for by nobody; what it throws is logged. */
  onProgress?: ((progress: ReplayProgress) => void) | undefined
  /**
   * Replays that fail before an entry is quarantined. Default 5. An outage, 401, 403, 429 and whatever was not sent use up
   * none.
   */
  maxReplays?: number | undefined
  /** How long an entry is held, in milliseconds; renewed just before sending. Default 60,000. */
  leaseMs?: number | undefined
  /** The longest time of one request, in milliseconds; less than `leaseMs` by at least 100. Default half of it. */
  timeoutMs?: number | undefined
  /**
   * How long an entry waits, in milliseconds, when its replayer was lost while sending it and it may be sent again, from when
   * another one sees that its lease has ended. A process that stands still (stopped, swapped out) cannot end its request; this is the time
   * for the provider to do so, before another process sends it. Default `leaseMs`.
   */
  lapseDelayMs?: number | undefined
  /**
   * How long the provider remembers an idempotency key, in milliseconds. An entry that may have arrived longer ago, in an
   * attempt or in a replay, is treated as one without a key. Default 24 hours, as Stripe and others promise; `Infinity` for
   * keys that are kept for good.
   */
  idempotencyKeyLifetimeMs?: number | undefined
  /**
   * What to do with an entry that may have arrived, is not repeatable, and has no key that the provider still knows.
   * `hold`: put it in doubt, for a person. `replay`: send it. Default `hold`; with `ids` `replay`, since a person has named it.
   */
  unknownDelivery?: 'hold' | 'replay' | undefined
  /** Base of the wait after a failed replay, in milliseconds. Default 30,000; it doubles. */
  initialBackoffMs?: number | undefined
  /** The longest wait, in milliseconds. Default one hour. */
  maxBackoffMs?: number | undefined
  /** Opens sealed entries. */
  seal?: SealKeys | undefined
  /**
   * Sends only entries whose seal says that they are as they were captured: method, url, headers, key and body. Needs
   * `seal`. Default false: an entry without a seal is sent as the store has it, to an allowed origin.
   */
  requireSeal?: boolean | undefined
  /**
   * What to do with an entry whose call had headers, credentials among them, that were not kept and that `credentials` does
   * not give. `refuse`: it waits, and says which. `send`: it goes without them; for a dispatcher that adds them itself. A
   * DELETE that is answered 404 or 410 is then not taken for done. Default `refuse`.
   */
  missingHeaders?: 'refuse' | 'send' | undefined
  /** Entries per run at most. Default: no limit. */
  limit?: number | undefined
  /** Structured logs of each replay, and of what failed beside it. */
  logger?: Logger | undefined
}

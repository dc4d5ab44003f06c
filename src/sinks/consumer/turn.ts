import { type DeadLetterMessage, decodeDeadLetter } from '../../dead-letter/message/message.ts'
import { DeadLetterFormatError } from '../../dead-letter/record/json.ts'
import { isRepeatable } from '../../dead-letter/record/record.ts'
import { replayOne, type ReplayResult } from '../../dead-letter/replay/one.ts'
import type { ReplayPlan } from '../../dead-letter/replay/plan.ts'
import { redactUrl } from '../../http/secrets/redacted-url.ts'
import { channels } from '../../telemetry/channels.ts'
import type { Reporter } from '../../telemetry/reporter.ts'
import { type Scheduler, systemScheduler } from '../../time/clock.ts'
import { Pace } from '../../time/pace.ts'

/** What is to be done with a message after its turn. */
export type Advice =
  /** Nothing is left to do. */
  | { readonly then: 'forget' }
  /** It comes back after `ms`, with what has become of it. */
  | { readonly then: 'wait'; readonly ms: number; readonly message: DeadLetterMessage }
  /** A person has to decide; `message` is absent where it could not be read. */
  | {
      readonly then: 'park'
      readonly as: 'in-doubt' | 'quarantined'
      readonly note: string
      readonly message?: DeadLetterMessage
    }

/** What the queue says of a message. */
interface Delivered {
  /** Somebody had it before, and nobody knows how that ended: it may have been sent. */
  readonly redelivered: boolean
  /** Another message of the same record may be in the queue. */
  readonly maybeTwice?: boolean
}

/** What is different from queue to queue. */
interface QueueFacts {
  /** Aborted when nothing more is to be begun. */
  readonly closing: AbortSignal
  /** It may hold two messages of one record: that it was done is remembered. */
  readonly mayHoldTwice: boolean
}

/** The most ids of records that are remembered as done. */
const MAX_DONE = 10_000

/** Has messages of dead letters sent, one after the other or side by side, and says what is to be done with each. */
export class Turns {
  readonly #plan: ReplayPlan
  readonly #reporter: Reporter
  readonly #pace: Pace
  readonly #closing: AbortSignal
  readonly #done: Set<string> | undefined
  /** The last turn of each record that is in hand, by its id. */
  readonly #inHand = new Map<string, Promise<Advice | undefined>>()

  constructor(
    plan: ReplayPlan,
    reporter: Reporter,
    { closing, mayHoldTwice }: QueueFacts,
    clock: Scheduler = systemScheduler,
  ) {
    this.#plan = plan
    this.#reporter = reporter
    this.#pace = new Pace(plan.ratePerSecond, clock)
    this.#closing = closing
    this.#done = mayHoldTwice ? new Set() : undefined
  }

  /** @returns `undefined` where it was not begun, since the consumer is being closed: it is to be given back */
  async take(content: Uint8Array | string, delivered: Delivered): Promise<Advice | undefined> {
    const message = read(content)
    if (message instanceof DeadLetterFormatError) {
      return { then: 'park', as: 'quarantined', note: `damaged: ${message.message}` }
    }
    return this.#done === undefined
      ? this.#take(message, delivered)
      : this.#takeAfterOthers(message, delivered)
  }

  /** Of several messages of one record that are in hand the first goes on, for all of them. */
  async #takeAfterOthers(message: DeadLetterMessage, delivered: Delivered): Promise<Advice | undefined> {
    const { id } = message
    const before = this.#inHand.get(id)
    const turn = this.#afterTurn(before, message, delivered)
    this.#inHand.set(id, turn)
    try {
      return await turn
    } finally {
      if (this.#inHand.get(id) === turn) this.#inHand.delete(id)
    }
  }

  async #afterTurn(
    before: Promise<Advice | undefined> | undefined,
    message: DeadLetterMessage,
    delivered: Delivered,
  ): Promise<Advice | undefined> {
    // what that fails with is told to whoever took it
    const advice = await before?.catch(() => undefined)
    // one that is handed out again may be the same message: it is not to be acknowledged before the first is safe
    if (advice !== undefined && !delivered.redelivered) return { then: 'forget' }
    return this.#take(message, delivered)
  }

  async #take(message: DeadLetterMessage, delivered: Delivered): Promise<Advice | undefined> {
    const { id, status, note = 'a person has to decide' } = message
    if (this.#done?.has(id) === true) return { then: 'forget' }
    if (status !== 'pending') return { then: 'park', as: status, note, message }
    if (delivered.maybeTwice === true && !isRepeatable(message)) {
      const why = 'its message may be in the queue twice, and it must not be sent twice'
      return {
        then: 'park',
        as: 'in-doubt',
        note: why,
        message: { ...message, status: 'in-doubt', note: why },
      }
    }
    if (!delivered.redelivered && !(await this.#pace.turn(this.#closing))) return undefined
    const result = await replayOne(message, this.#plan, delivered.redelivered)
    this.#tell(message, result)
    return this.#adviceOf(message, result)
  }

  #adviceOf(message: DeadLetterMessage, result: ReplayResult): Advice {
    const after = { ...message, ...result.state }
    switch (result.outcome) {
      case 'done':
        this.#remember(message.id)
        return { then: 'forget' }
      case 'again':
        return { then: 'wait', ms: result.afterMs, message: after }
      case 'hold':
      case 'never': {
        const status = result.outcome === 'hold' ? 'in-doubt' : 'quarantined'
        const note = result.message ?? result.reason
        return { then: 'park', as: status, note, message: { ...after, status, note } }
      }
    }
  }

  #remember(id: string): void {
    if (this.#done === undefined) return
    this.#done.add(id)
    if (this.#done.size <= MAX_DONE) return
    for (const oldest of this.#done) {
      this.#done.delete(oldest)
      break
    }
  }

  #tell({ id, integration, request }: DeadLetterMessage, result: ReplayResult): void {
    if (!this.#reporter.hears(channels.replayed)) return
    this.#reporter.replayed({
      id,
      integration,
      method: request.method,
      url: redactUrl(request.url),
      outcome: outcomeOf(result),
      reason: result.reason,
      statusCode: result.statusCode,
    })
  }
}

/** In the words of `dead-letter:replayed`. */
function outcomeOf({ outcome, reason }: ReplayResult): string {
  if (outcome === 'again') return reason === 'failed' || reason === 'lapsed' ? 'failed' : 'later'
  if (outcome === 'hold') return 'in-doubt'
  if (outcome === 'never') return 'quarantined'
  return outcome
}

function read(content: Uint8Array | string): DeadLetterMessage | DeadLetterFormatError {
  try {
    return decodeDeadLetter(content)
  } catch (error) {
    if (error instanceof DeadLetterFormatError) return error
    throw error
  }
}

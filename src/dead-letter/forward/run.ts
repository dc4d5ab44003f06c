import { Outage } from '../capture/queue/outage.ts'
import { place, type Placement } from '../capture/queue/placement.ts'
import { Transfer } from '../capture/queue/transfer.ts'
import type { ClaimedDeadLetter, DeadLetterRecord } from '../record/record.ts'
import type { DeadLetterSink } from '../store/sink.ts'
import type { DeadLetterStore } from '../store/store.ts'
import type { ForwardPolicy } from './options.ts'

/** What one run of forwarding did. */
export interface ForwardSummary {
  /** Entries that the sink has, and the store no longer. */
  readonly forwarded: number
  /** Ids that the sink refuses though it takes others, or has no room for; they stay in the store. */
  readonly refused: readonly string[]
  /** Nothing is left in the store that matches the filter and could be moved. */
  readonly isEmpty: boolean
  /** What the sink failed with, where that ended the run. What was not forwarded stays in the store. */
  readonly error?: unknown
}

/** Moves entries from a store to a sink; remembers between runs that the sink is away, and what it refuses. One run at a time. */
export class Forwarding {
  readonly #sink: DeadLetterSink
  readonly #policy: ForwardPolicy
  readonly #outage = new Outage()
  readonly #transfer: Transfer
  /** Of the run that goes on. */
  #forwarded = 0
  #error: unknown

  constructor(store: DeadLetterStore, sink: DeadLetterSink, policy: ForwardPolicy) {
    this.#sink = sink
    this.#policy = policy
    this.#transfer = new Transfer(
      {
        claim: (most, leaseMs) =>
          store.claim({ limit: most, leaseMs, purpose: 'transfer', filter: { ...policy.filter } }),
        discard: (ids) => store.discard(ids),
        settle: (id, fence, settlement) => store.settle(id, fence, settlement),
      },
      {
        waitMs: () => this.#outage.waitMs,
        add: async (items) => {
          const placement = await this.#add(items)
          this.#forwarded += placement.kept.size
          this.#error = placement.error
          return placement
        },
        refused: (id, why) => this.#warn(`the sink refuses dead letter ${id}: ${String(why)}`),
      },
    )
  }

  /** How long the sink is left alone, in milliseconds; 0 or less when it may be tried. */
  get waitMs(): number {
    return this.#outage.waitMs
  }

  /**
   * One run.
   * @throws what the store fails with
   */
  async run(): Promise<ForwardSummary> {
    const { limit, signal } = this.#policy
    this.#forwarded = 0
    this.#error = undefined
    const { isEmpty, refused } = await this.#transfer.run(() => signal?.aborted === true, limit)
    const error = this.#error
    return { forwarded: this.#forwarded, refused, isEmpty, ...(error === undefined ? {} : { error }) }
  }

  async #add(items: readonly ClaimedDeadLetter[]): Promise<Placement> {
    const { timeoutMs } = this.#policy
    const placement = await place(items.map(onItsWay), {
      at: this.#sink,
      where: 'sink',
      sink: this.#sink.name,
      timeoutMs,
    })
    if (placement.works) this.#outage.over()
    else if (this.#outage.failed()) this.#warn(`the sink failed: ${String(placement.error)}`)
    return placement
  }

  #warn(message: string): void {
    const { logger } = this.#policy
    if (logger === undefined) process.emitWarning(`forwarding dead letters: ${message}`, 'ResilienceWarning')
    else logger.warn({ sink: this.#sink.name }, `forwarding dead letters: ${message}`)
  }
}

/**
 * As it was before it was claimed: what is in doubt or quarantined arrives as that. What a provider asked for in a replay
 * goes along: a queue knows no due time.
 */
function onItsWay({ leasedFrom = 'pending', ...claimed }: ClaimedDeadLetter): DeadLetterRecord {
  const entry = { ...claimed, status: leasedFrom }
  const notBefore = Math.max(entry.dueAt, entry.notBefore ?? 0)
  return notBefore <= entry.timestamp ? entry : { ...entry, notBefore }
}

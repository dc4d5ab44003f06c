import type { ClaimedDeadLetter, DeadLetterReplay } from '../../../dead-letter/record/record.ts'
import type { ClaimOptions } from '../../../dead-letter/store/claim-options.ts'
import type { RetentionOptions } from '../../../dead-letter/store/retention.ts'
import type { DeadLetterStore } from '../../../dead-letter/store/store.ts'
import { channels, type DeadLetterDroppedEvent } from '../../../telemetry/channels.ts'
import { expect } from '../expect.ts'
import type { TestRunner } from '../runner.ts'

/** A dead-letter store to be tested, and what a test may do to the world around it. */
export interface DeadLetterStoreFixture {
  readonly store: DeadLetterStore
  /**
   * Lets the store's clock pass, in milliseconds: move the clock that the store was handed, or sleep for as long where it
   * reads the server's. No test asks for more than 320, or eight times `leaseMs`.
   */
  advance(ms: number): Promise<void>
  /** A second process's view of the same entries; the same store where there can be none. */
  other(): Promise<DeadLetterStore>
  /** Makes what is stored under the id unreadable: for stores that keep bytes. */
  damage?(id: string): Promise<void>
  /** Closes the store, which a test may have closed already, and takes away what it has written. */
  dispose(): Promise<void>
}

/** What the tests of a store share: the store under test, made anew for each of them. */
export class Scene {
  readonly runner: TestRunner
  /** A lease that a test lets lapse, in milliseconds. */
  readonly leaseMs: number
  readonly #make: (retention: RetentionOptions) => Promise<DeadLetterStoreFixture>
  readonly #made: DeadLetterStoreFixture[] = []

  constructor(
    runner: TestRunner,
    make: (retention: RetentionOptions) => Promise<DeadLetterStoreFixture>,
    leaseMs: number,
  ) {
    this.runner = runner
    this.leaseMs = leaseMs
    this.#make = make
  }

  get fixture(): DeadLetterStoreFixture {
    return this.#made.at(-1)!
  }

  get store(): DeadLetterStore {
    return this.fixture.store
  }

  /** Goes on with another store. */
  async start(retention: RetentionOptions = {}): Promise<void> {
    this.#made.push(await this.#make(retention))
  }

  async end(): Promise<void> {
    for (const fixture of this.#made.splice(0)) await fixture.dispose()
  }

  async claimOne(options: Partial<ClaimOptions> = {}): Promise<ClaimedDeadLetter> {
    const { items } = await this.store.claim({ limit: 1, leaseMs: this.leaseMs, ...options })
    expect(items).toHaveLength(1)
    return items[0]!
  }
}

/** A replay that was answered 503. */
export function replay(changes: Partial<DeadLetterReplay> = {}): DeadLetterReplay {
  return { at: Date.now(), ms: 5, outcome: 'failed', statusCode: 503, ...changes }
}

/** A claim that lasts for longer than a test. */
export const HELD: ClaimOptions = { limit: 10, leaseMs: 60_000 }

/** Ids of what retention removes meanwhile, as it is told. */
export async function evictions(work: () => Promise<unknown>): Promise<string[]> {
  const ids: string[] = []
  const listener = (event: DeadLetterDroppedEvent): void => {
    expect(event).toMatchObject({ reason: 'evicted', integration: 'hubspot' })
    ids.push(event.id)
  }
  channels.deadLetterDropped.subscribe(listener)
  try {
    await work()
  } finally {
    channels.deadLetterDropped.unsubscribe(listener)
  }
  return ids
}

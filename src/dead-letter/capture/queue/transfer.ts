import type { ClaimedDeadLetter } from '../../record/record.ts'
import { isStoreFault } from '../../store/fault.ts'
import type { ClaimResult, DeadLetterStore } from '../../store/store.ts'
import type { Placement } from './placement.ts'

/** Of the first batch; a destination that was away is probed with no more. */
const FIRST_BATCH = 10
const MOST = 200
/** What a batch should weigh at most: its bodies are in memory. */
const BATCH_BYTES = 4 * 1024 * 1024
/** Long enough for one batch; short, since a batch whose process crashed waits for its end. */
const LEASE_MS = 30_000
/** How long what the destination refuses alone is left in peace, in milliseconds. */
const REFUSED_MS = 600_000
/** Of the first batch at most, after a run that has passed by what failed together: with others in it, each is judged alone. */
const MOST_MIXED = 50
/** Entries of one run that found no room, or failed together: with more of them the destination is taken for full or away. */
const MOST_DOUBTFUL = 200

/** What entries are taken from. */
export interface TransferSource extends Pick<DeadLetterStore, 'discard' | 'settle'> {
  /** Whatever nobody holds, oldest first. */
  claim(limit: number, leaseMs: number): Promise<ClaimResult>
}

/** Where they go to. */
interface TransferTarget {
  /** How long to leave it alone, in milliseconds; 0 when it may be tried. */
  waitMs(): number
  add(items: readonly ClaimedDeadLetter[]): Promise<Placement>
  /** It refuses one alone, though it takes others: told before that one is left in peace. */
  refused(id: string, error: unknown): void
}

/** What a run has left behind. */
interface TransferRun {
  /** Nothing is left that could be moved. */
  readonly isEmpty: boolean
  /** What the target refuses though it takes others, or has no room for. */
  readonly refused: readonly string[]
}

/**
 * Moves entries from one place to another, in batches. Several processes may do so at the same time: entries are leased,
 * adding is idempotent, and an entry leaves its place only when the other has it. A process that is lost between the two
 * leaves an entry in both, which comes a second time when its lease has ended: at least once.
 *
 * Claims hand out the oldest, so what is not taken stays leased until the end of the run: others get past it.
 */
export class Transfer {
  readonly #source: TransferSource
  readonly #target: TransferTarget
  /** Entries that the target refuses alone, though it takes others; until when they are left in peace. */
  readonly #resting = new Map<string, number>()
  /** How many failed with their batch in the last run, in which the target took others afterwards. */
  #passedBy = 0

  constructor(source: TransferSource, target: TransferTarget) {
    this.#source = source
    this.#target = target
  }

  /**
   * One run, until nothing is left that could be moved, the target has no room or is away, or `isOver`.
   * @param most entries at most, those not counted that are refused
   * @throws what the source fails with: what is leased lapses, and a later run claims it anew
   */
  async run(isOver: () => boolean, most = Infinity): Promise<TransferRun> {
    for (const [id, until] of this.#resting) if (until <= performance.now()) this.#resting.delete(id)
    const held = new Held()
    try {
      const isAtEnd = await this.#moveAll(held, isOver, most)
      return { isEmpty: isAtEnd && held.doubtful + held.passedBy === 0, refused: held.refused }
    } finally {
      this.#passedBy = held.passedBy
      for (const { id, fence, dueAt } of held.entries) {
        // due as before: a provider may have asked for that in a replay
        const delayMs = Math.max(0, dueAt - Date.now())
        await this.#source.settle(id, fence, { outcome: 'later', delayMs })
      }
    }
  }

  /** Whether it came to the end of what is there. */
  async #moveAll(held: Held, isOver: () => boolean, most: number): Promise<boolean> {
    let limit = Math.min(MOST_MIXED, FIRST_BATCH + 2 * this.#passedBy)
    let left = most
    while (!isOver() && left > 0 && (held.suspects.size > 0 || this.#target.waitMs() <= 0)) {
      const { items, corrupt } = await this.#source.claim(Math.min(limit, left), LEASE_MS)
      if (items.length === 0 && corrupt.length === 0) return true
      if (items.length > 0 && !(await this.#move(items, held))) return false
      left -= items.filter(({ id }) => !held.has(id)).length
      limit = nextLimit(limit, items)
    }
    return false
  }

  /** Moves one batch; whether to go on with the next. */
  async #move(items: readonly ClaimedDeadLetter[], held: Held): Promise<boolean> {
    const untried: ClaimedDeadLetter[] = []
    for (const item of items) {
      if (this.#resting.has(item.id)) held.hold(item, 'refused')
      else untried.push(item)
    }
    if (untried.length === 0) return true
    const { kept, missing, error } = await this.#target.add(untried)
    if (kept.size > 0) {
      held.passBySuspects()
      await this.#source.discard([...kept])
    }
    // what it did not get to is bad, or it takes nothing at present: the next batch shows which
    const isDoubtful = error !== undefined && !isStoreFault(error)
    let isAway = false
    for (const item of untried) {
      const why = missing.get(item.id)
      if (why === undefined) continue
      if (why === 'full') held.hold(item, 'full')
      else if (why === 'later') {
        isAway ||= !isDoubtful
        held.hold(item, isDoubtful ? 'failed' : 'waits')
      } else {
        held.hold(item, 'refused')
        this.#rest(item.id, error)
      }
    }
    return !isAway && held.doubtful <= MOST_DOUBTFUL
  }

  #rest(id: string, error: unknown): void {
    this.#resting.set(id, performance.now() + REFUSED_MS)
    this.#target.refused(id, error)
  }
}

/** More than before, as far as their weight allows. */
function nextLimit(limit: number, items: readonly ClaimedDeadLetter[]): number {
  let bytes = 1
  for (const { request, sealed } of items) {
    bytes += 1024 + (request.body?.byteLength ?? 0) + (sealed?.data?.byteLength ?? 0)
  }
  const fitting = Math.floor((BATCH_BYTES * Math.max(1, items.length)) / bytes)
  return Math.max(1, Math.min(MOST, limit * 2, fitting))
}

/** What is read of an entry to give it back. */
type Claim = Pick<ClaimedDeadLetter, 'id' | 'fence' | 'dueAt'>

/**
 * Why an entry is held. `refused`: the target takes others. `full`: it has no room for this one. `waits`: it is away.
 * `failed`: with its batch, by the fault of a record or of the target.
 */
type Why = 'refused' | 'full' | 'waits' | 'failed'

/** What one run has claimed and not moved, without the bodies; it goes back at the end. */
class Held {
  readonly #claims = new Map<string, Claim>()
  readonly #refused = new Set<string>()
  readonly #full = new Set<string>()
  readonly #passedBy = new Set<string>()
  /** Ids of what has failed with its batch, and no other was taken since. */
  readonly suspects = new Set<string>()

  hold({ id, fence, dueAt }: Claim, why: Why): void {
    this.#claims.set(id, { id, fence, dueAt })
    if (why === 'refused') this.#refused.add(id)
    else if (why === 'full') this.#full.add(id)
    else if (why === 'failed') this.suspects.add(id)
  }

  has(id: string): boolean {
    return this.#claims.has(id)
  }

  /** The target has taken others since: it is no outage. */
  passBySuspects(): void {
    for (const id of this.suspects) this.#passedBy.add(id)
    this.suspects.clear()
  }

  /** How many were suspects when the target took others. */
  get passedBy(): number {
    return this.#passedBy.size
  }

  get entries(): Iterable<Claim> {
    return this.#claims.values()
  }

  /** Ids of what the target refuses though it takes others, or has no room for. */
  get refused(): readonly string[] {
    return [...new Set([...this.#refused, ...this.#passedBy, ...this.#full])]
  }

  /** How many found no room, or failed together, and nothing says yet that it is not the target. */
  get doubtful(): number {
    return this.suspects.size + this.#full.size
  }
}

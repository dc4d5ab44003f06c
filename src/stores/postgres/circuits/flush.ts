import { machineToJson } from '../../../circuit/machine/machine-json.ts'
import {
  type FlushReply,
  sync,
  type SyncStatus,
  takesCounts,
  tripIfDue,
} from '../../../circuit/machine/machine.ts'
import { bucketMs } from '../../../circuit/machine/policy.ts'
import { viewOf } from '../../../circuit/machine/state.ts'
import type { Counts } from '../../../circuit/machine/window.ts'
import type { CircuitRequest, Timed } from '../../../circuit/shared/backend.ts'
import { type CircuitWrite, type FoundCircuit, machineOf, writeOf } from './rows.ts'

type FlushRequest = CircuitRequest & { readonly counts: Counts }

/** A request that is not answered yet. */
interface Open {
  readonly request: FlushRequest
  /** The epoch that its results are counted under. */
  readonly epoch: number
  /** They have been counted. */
  readonly counted: boolean
  /** How the first round found the circuit, when that made it. */
  readonly made?: SyncStatus
  /** The sums have been looked at after its results were committed. */
  readonly seen: boolean
}

interface Decision {
  readonly open: Open
  readonly found: FoundCircuit
  readonly write: CircuitWrite
  readonly reply: Timed<FlushReply>
  /** The circuit is new: its results are counted under the epoch that is written. */
  readonly countNext: boolean
}

/**
 * One flush, round by round: results are counted and sums read by one statement; what follows from the sums is decided
 * here, and written by another where nobody was faster. What is left goes into the next round.
 */
export class CircuitFlush {
  readonly #requests: readonly FlushRequest[]
  readonly #by: string
  readonly #replies = new Map<FlushRequest, Timed<FlushReply>>()
  #open: Open[]
  #decisions: Decision[] = []

  constructor(requests: readonly FlushRequest[], by: string) {
    this.#requests = requests
    this.#by = by
    this.#open = requests.map((request) => ({
      request,
      epoch: request.view.epoch,
      counted: false,
      seen: false,
    }))
  }

  get isUnderWay(): boolean {
    return this.#open.length > 0
  }

  /** What the statement is asked. */
  asked(): object[] {
    return this.#open.map(({ request: { id, policy, counts }, epoch, counted }) => ({
      id,
      // no number that cannot be an epoch gets into SQL
      ep: Number.isSafeInteger(epoch) && epoch > 0 ? epoch : -1,
      tot: counted ? 0 : counts.total,
      fl: counted ? 0 : counts.failed,
      sl: counted ? 0 : counts.slow,
      bucket: bucketMs(policy),
      win: policy.windowMs,
      quorum: policy.quorum,
    }))
  }

  /** What follows from what was found. */
  decide(found: ReadonlyMap<string, FoundCircuit>): CircuitWrite[] {
    const open = this.#open
    this.#open = []
    this.#decisions = open.flatMap((one) => this.#decide(one, found.get(one.request.id)!))
    return this.#decisions.map(({ write }) => write)
  }

  #decide(open: Open, found: FoundCircuit): Decision[] {
    const { request, made } = open
    const { id, policy, counts } = request
    const now = found.us / 1_000
    const machine = machineOf(found, policy)
    const before = { json: machineToJson(machine), epoch: machine.epoch }
    const view = made === undefined ? request.view : { ...request.view, epoch: open.epoch }
    const step = { policy, now, by: this.#by, view }
    const synced = sync(machine, step)
    const nothing = { total: 0, failed: 0, slow: 0 }
    const sums = machine.epoch === before.epoch ? found.sums : nothing
    if (synced === 'same' && takesCounts(machine) && counts.failed + counts.slow > 0) {
      machine.reporters = [...found.reporters]
      const tripped = tripIfDue(machine, step, sums)
      machine.reporters = []
      if (!tripped && !open.seen) {
        // another process may have counted in the same instant, and neither has seen the other
        this.#open.push({ ...open, counted: true, seen: true })
        return []
      }
    }
    const status = made ?? synced
    const reply = { status, view: viewOf(machine, now), ...sums, serverMs: now }
    const write = writeOf(id, machine, before, found)
    if (write === undefined) {
      this.#replies.set(request, reply)
      return []
    }
    const countNext = synced === 'created' && made === undefined && hasCounts(counts)
    return [{ open, found, write, reply, countNext }]
  }

  /** @param done ids of what was written */
  written(done: ReadonlySet<string>): void {
    for (const { open, found, write, reply, countNext } of this.#decisions) {
      const { request, epoch } = open
      if (!done.has(request.id)) {
        // from the caller's own view once more; its results are where they were counted
        this.#open.push({ ...open, counted: open.counted || countedIn(found, epoch) })
      } else if (countNext) this.#open.push({ ...open, epoch: write.epoch, made: reply.status })
      else this.#replies.set(request, reply)
    }
    this.#decisions = []
  }

  replies(): Timed<FlushReply>[] {
    return this.#requests.map((request) => this.#replies.get(request)!)
  }
}

function hasCounts({ total, failed, slow }: Counts): boolean {
  return total + failed + slow > 0
}

function countedIn({ epoch }: FoundCircuit, asked: number): boolean {
  return epoch === asked
}

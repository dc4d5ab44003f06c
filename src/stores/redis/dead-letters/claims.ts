import { DeadLetterFormatError } from '../../../dead-letter/record/json.ts'
import type { ClaimedDeadLetter, DeadLetterState } from '../../../dead-letter/record/record.ts'
import { checkClaim, type ClaimOptions, type ClaimRequest } from '../../../dead-letter/store/claim-options.ts'
import {
  type ClaimScope,
  isReplayable,
  lapse,
  type LapseRules,
  leased,
  mayClaim,
  maySettle,
  requeued,
  settled,
} from '../../../dead-letter/store/lifecycle.ts'
import { matchesFilter } from '../../../dead-letter/store/query/filter.ts'
import type { Settlement, SettleResult } from '../../../dead-letter/store/settlement.ts'
import type { ClaimResult, CorruptDeadLetter } from '../../../dead-letter/store/store.ts'
import { durationOption } from '../../../options.ts'
import { scriptArgument } from '../script.ts'
import { reportGone } from './gone.ts'
import { HeldStates } from './held-states.ts'
import { type FoundEntry, readableState, type RedisDeadLetterReader } from './reader.ts'
import { MAX_IDS, MAX_PAYLOAD, type RunScript } from './run-script.ts'
import { deadLetterScripts as scripts } from './scripts.ts'
import {
  changedState,
  entryOf,
  leasedState,
  type StoredState,
  storedState,
  unreadableState,
} from './stored-state.ts'

/** How often a decision is made anew because the entry has changed since it was read. */
const MAX_ROUNDS = 20

/** A state to be written in the place of the one that was read; `undefined`: the entry is done. */
interface Change {
  readonly id: string
  readonly json: Buffer | undefined
  readonly next: string | undefined
}

/**
 * Leases and what becomes of them. States are read, the lifecycle decides, and a script writes what it says if nothing
 * has changed meanwhile: else another process was first, and it is decided anew.
 */
export class RedisClaims {
  readonly #run: RunScript
  readonly #reader: RedisDeadLetterReader
  readonly #maxAgeMs: string
  readonly #held = new HeldStates()

  /** @param maxAgeMs as the scripts take it: '' for no limit */
  constructor(run: RunScript, reader: RedisDeadLetterReader, maxAgeMs: string) {
    this.#run = run
    this.#reader = reader
    this.#maxAgeMs = maxAgeMs
  }

  async claim(options: ClaimOptions): Promise<ClaimResult> {
    const request = checkClaim(options)
    const result: ClaimResult = { items: [], corrupt: await this.#settleLapsed(request) }
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const candidates = await this.#candidates(request, windowOf(request.limit, round), result.corrupt)
      await this.#lease(candidates.slice(0, request.limit), request, result)
      // of these others were faster with some
      for (const more of chunksOf(candidates.slice(request.limit), MAX_IDS)) {
        if (result.items.length < request.limit) await this.#lease(more, request, result)
      }
      const isNothing = result.items.length === 0 && result.corrupt.length === 0
      if (!isNothing || candidates.length === 0 || request.ids !== undefined) break
    }
    return result
  }

  async #settleLapsed(rules: LapseRules & ClaimScope): Promise<CorruptDeadLetter[]> {
    // what is moved elsewhere is saved, however old it is
    const reply = await this.#run(scripts.lapsed, [rules.transfer ? '' : this.#maxAgeMs])
    const [time, pairs, gone, isDoubtful] = reply as [Buffer, Buffer[], Buffer[], number]
    reportGone(gone)
    if (isDoubtful === 1) await this.#run(scripts.mend, [])
    const now = Number(time)
    const changes: Change[] = []
    const corrupt: CorruptDeadLetter[] = []
    for (let at = 0; at + 1 < pairs.length; at += 2) {
      const json = pairs[at + 1]!
      const stored = readableState(json)
      if (stored === undefined) corrupt.push({ id: String(pairs[at]), message: 'its state cannot be read' })
      const next =
        stored === undefined
          ? unreadableState(json, 'its state cannot be read')
          : changedState(stored, lapse(stored.state, lapsedLease(stored, now), rules))
      changes.push({ id: String(pairs[at]), json, next })
    }
    // a lease that was renewed or settled meanwhile has not lapsed
    await this.#change(changes)
    return corrupt
  }

  /** Entries that may be claimed, more than are asked for: others claim at the same time. */
  async #candidates(request: ClaimRequest, most: number, corrupt: CorruptDeadLetter[]): Promise<Candidate[]> {
    const { ids } = request
    const found: Candidate[] = []
    const bad: FoundEntry[] = []
    for await (const entry of this.#entriesOf(request, most)) {
      const { id, stored, now } = entry
      if (stored === undefined) bad.push(entry)
      else if (!stored.unreadable && mayClaim(stored.state, stored.replayable, request, now)) {
        found.push({ id, stored })
      }
      if (ids === undefined && found.length === most) break
    }
    for (const { id, json } of bad) {
      if (json === undefined) await this.#change([{ id, json, next: undefined }])
      else await this.#condemn(id, json, 'its state cannot be read', corrupt)
    }
    if (ids === undefined) return found
    return found.sort((a, b) => a.stored.state.dueAt - b.stored.state.dueAt || (a.id < b.id ? -1 : 1))
  }

  async *#entriesOf({ ids, filter = {}, transfer }: ClaimRequest, most: number): AsyncGenerator<FoundEntry> {
    if (ids === undefined) {
      yield* this.#reader.matching(transfer ? 'oldest' : 'due', filter, most)
      return
    }
    const isOpen = Object.keys(filter).length === 0
    for (const entry of await this.#reader.states([...new Set(ids)])) {
      if (entry.stored === undefined ? isOpen : matchesFilter(entry.stored.summary, filter)) yield entry
    }
  }

  async #lease(candidates: readonly Candidate[], request: ClaimRequest, result: ClaimResult): Promise<void> {
    if (candidates.length === 0) return
    const { limit, leaseMs, transfer } = request
    const most = limit - result.items.length
    const args: (string | Buffer)[] = [String(most), String(leaseMs), MAX_PAYLOAD, transfer ? '' : 'in-order']
    for (const { id, stored } of candidates) {
      args.push(id, scriptArgument(stored.json), leasedState(stored, leased(stored.state)))
    }
    const reply = await this.#run(scripts.lease, args)
    const [time, rows, unreadable] = reply as [Buffer, [Buffer, Buffer, unknown][], [Buffer, Buffer][]]
    for (const [rawId, json, fields] of rows) {
      const id = String(rawId)
      try {
        const stored = storedState(json)
        const { fence, leaseUntil } = stored
        const entry = entryOf(id, stored, fields)
        if (!transfer && !isReplayable(entry)) {
          throw new DeadLetterFormatError('its body is not there as it was captured')
        }
        result.items.push({ ...entry, fence, leaseUntil } satisfies ClaimedDeadLetter)
        this.#held.remember(id, fence, { json, now: Number(time) })
      } catch (error) {
        if (!(error instanceof DeadLetterFormatError)) throw error
        await this.#condemn(id, json, error.message, result.corrupt)
      }
    }
    for (const [rawId, message] of unreadable) {
      const id = String(rawId)
      const { stored } = candidates.find((candidate) => candidate.id === id)!
      await this.#condemn(id, stored.json, String(message), result.corrupt)
    }
  }

  /** Quarantines what cannot be read. */
  async #condemn(id: string, json: Buffer, message: string, corrupt: CorruptDeadLetter[]): Promise<void> {
    const [isWritten] = await this.#change([{ id, json, next: unreadableState(json, message) }])
    if (isWritten) corrupt.push({ id, message })
  }

  async renew(id: string, fence: number, leaseMs: number): Promise<boolean> {
    durationOption('leaseMs', leaseMs, 1)
    const reply = await this.#run(scripts.renew, [id, String(fence), String(leaseMs)])
    const [time, json] = reply as [Buffer, Buffer?]
    if (json === undefined) return false
    this.#held.remember(id, fence, { json, now: Number(time) })
    return true
  }

  async settle(id: string, fence: number, settlement: Settlement): Promise<SettleResult> {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const held = this.#held.take(id, fence) ?? (await this.#reader.states([id]))[0]
      if (held?.json === undefined) return 'gone'
      const { json, now } = held
      const stored = readableState(json)
      if (stored?.fence !== fence || !maySettle(stored.state, settlement)) return 'stale'
      const { result, state } = settled(stored.state, settlement, now)
      const [isWritten] = await this.#change([{ id, json, next: nextOf(stored, state) }])
      if (isWritten) return result
    }
    throw new Error(`dead letter ${id} changes faster than it can be settled`)
  }

  async requeue(ids: readonly string[], { delayMs }: { delayMs?: number } = {}): Promise<number> {
    let count = 0
    let left = [...new Set(ids)]
    for (let round = 0; left.length > 0 && round < MAX_ROUNDS; round++) {
      const changes: Change[] = []
      for (const { id, json, stored, now } of await this.#reader.states(left)) {
        if (stored === undefined || stored.unreadable) continue
        const state = requeued(stored.state, stored.replayable, now, delayMs)
        if (state !== undefined) changes.push({ id, json, next: changedState(stored, state) })
      }
      const written = await this.#change(changes)
      count += written.filter(Boolean).length
      left = changes.filter((_change, at) => written[at] !== true).map(({ id }) => id)
    }
    return count
  }

  /** Whether each was written; one that has changed since it was read is not. */
  async #change(changes: readonly Change[]): Promise<boolean[]> {
    const written: boolean[] = []
    for (const some of chunksOf(changes, MAX_IDS)) {
      const args = some.flatMap(({ id, json, next = '' }) => [id, json ? scriptArgument(json) : '', next])
      for (const one of (await this.#run(scripts.change, args)) as number[]) written.push(one === 1)
    }
    return written
  }
}

interface Candidate {
  readonly id: string
  readonly stored: StoredState
}

/** One that ends later than any can was given under a clock that was ahead: it ends now. */
function lapsedLease({ repeatable, leaseUntil }: StoredState, now: number): Parameters<typeof lapse>[1] {
  return { repeatable, leaseUntil: Math.min(leaseUntil, now), now }
}

function nextOf(stored: StoredState, state: DeadLetterState | undefined): string | undefined {
  return state && changedState(stored, state)
}

/** How many candidates are looked at for a claim of so many: more each time that others were faster with all of them. */
function windowOf(limit: number, round: number): number {
  return limit + Math.min((limit + 4) * 2 ** round, MAX_IDS)
}

function* chunksOf<T>(items: readonly T[], size: number): Generator<readonly T[]> {
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size)
}

import type { DeadLetterRecord, DeadLetterReplay, DeadLetterState } from '../record/record.ts'
import type { Settlement, SettleResult } from './settlement.ts'
import type { AddOptions } from './sink.ts'

/** How many replays an entry remembers. */
const KEPT_REPLAYS = 20

/**
 * Where a new entry starts. What cannot be replayed is quarantined from the start, whatever the caller says.
 * @param now the store's clock, by which it is claimed: one captured under a clock that was ahead waits no longer than
 *   its provider asked for
 */
export function initialState(
  record: DeadLetterRecord,
  options: AddOptions = {},
  now = Infinity,
): DeadLetterState {
  const { timestamp, notBefore = timestamp } = record
  const dueAt = Math.min(notBefore, now + Math.max(0, notBefore - timestamp))
  const base = { dueAt, replayCount: 0, replays: [] }
  if (!isReplayable(record)) {
    return {
      ...base,
      status: 'quarantined',
      note: `not replayable: ${record.notReplayableReason ?? 'body-unavailable'}`,
    }
  }
  if (options.status === 'quarantined') {
    return { ...base, status: 'quarantined', note: options.note ?? 'imported' }
  }
  return { ...base, status: 'pending', ...(options.note === undefined ? {} : { note: options.note }) }
}

/** Does not take the record's word: a body that is not there cannot be sent, whatever `replayable` says. */
export function isReplayable(record: DeadLetterRecord): boolean {
  if (!record.replayable) return false
  const { body, bytes, bodyRedacted } = record.request
  if (record.sealed?.data !== undefined) return true
  return bodyRedacted !== true && (body?.byteLength ?? 0) === bytes
}

function remembered(state: DeadLetterState, replay: DeadLetterReplay): readonly DeadLetterReplay[] {
  return [...state.replays, replay].slice(-KEPT_REPLAYS)
}

/** What a claim asks for; see `ClaimOptions`. */
export interface ClaimScope {
  /** A person's decision: whether due or not, and what is in doubt or quarantined, too. */
  readonly ids: readonly string[] | undefined
  /** To move it to another store: whatever nobody holds. */
  readonly transfer: boolean
}

/** Whether an entry may be claimed now, if none with the same ordering key is before it; of a transfer, in any order. */
export function mayClaim(
  state: DeadLetterState,
  replayable: boolean,
  { ids, transfer }: ClaimScope,
  now: number,
): boolean {
  if (state.status === 'leased' || state.status === 'sending') return false
  if (transfer) return true
  return replayable && (ids !== undefined || (state.status === 'pending' && state.dueAt <= now))
}

/** Stores keep whole milliseconds. */
function after(now: number, delayMs: number): number {
  return Math.round(now + Math.max(0, delayMs))
}

/** The state of an entry that is claimed. */
export function leased(state: DeadLetterState): DeadLetterState {
  return { ...state, status: 'leased', leasedFrom: state.status }
}

/** Nothing was sent: what was in doubt or quarantined stays so, also when a person had it claimed. */
function unsent({ leasedFrom = 'pending', ...state }: DeadLetterState): DeadLetterState {
  return { ...state, status: leasedFrom }
}

/** What becomes of entries whose replayer was lost while sending them. */
export interface LapseRules {
  readonly maxReplays: number
  readonly lapseDelayMs: number
}

/** A lease that ended by itself, by the clock of the store. */
interface LapsedLease {
  readonly repeatable: boolean
  readonly leaseUntil: number
  readonly now: number
}

/** What a lease that ended by itself leaves behind. */
export function lapse(
  { leasedFrom, ...state }: DeadLetterState,
  { repeatable, leaseUntil, now }: LapsedLease,
  { maxReplays, lapseDelayMs }: LapseRules,
): DeadLetterState {
  if (state.status !== 'sending') return unsent({ ...state, leasedFrom })
  const replays = remembered(state, { at: now, outcome: 'lapsed' })
  const replayCount = state.replayCount + 1
  if (!repeatable) {
    return { ...state, status: 'in-doubt', replays, replayCount, note: 'the replayer was lost while sending' }
  }
  if (replayCount >= maxReplays) {
    return { ...state, status: 'quarantined', replays, replayCount, note: `${replayCount} replays used up` }
  }
  // from when it is seen: a step of the store's clock ends leases whose holders are still sending
  const dueAt = Math.max(state.dueAt, Math.max(now, leaseUntil) + lapseDelayMs)
  return { ...state, status: 'pending', dueAt, replays, replayCount }
}

/**
 * Whether the last claim may still be ended as `settlement` says: while it holds, and also after it lapsed, when its
 * holder was only slow, nobody has claimed the entry since, and the server took it.
 */
export function maySettle(state: DeadLetterState, { outcome }: Settlement): boolean {
  if (state.status === 'leased' || state.status === 'sending') return true
  return outcome === 'done' && state.replays.at(-1)?.outcome === 'lapsed'
}

/** The state after a settlement; `undefined` when the entry is done and to be removed. */
export function settled(
  held: DeadLetterState,
  settlement: Settlement,
  now: number,
): { result: SettleResult; state: DeadLetterState | undefined } {
  if (settlement.outcome === 'done') return { result: 'done', state: undefined }
  if (settlement.outcome === 'later') {
    const state = { ...unsent(held), dueAt: after(now, settlement.delayMs) }
    const { replay } = settlement
    return { result: 'again', state: replay ? { ...state, replays: remembered(state, replay) } : state }
  }
  const { leasedFrom: _leasedFrom, ...state } = held
  const replays = remembered(state, settlement.replay)
  if (settlement.outcome !== 'failed') {
    const { outcome: status, note } = settlement
    return { result: status, state: { ...state, status, replays, replayCount: state.replayCount + 1, note } }
  }
  const replayCount = state.replayCount + 1
  if (replayCount >= settlement.maxReplays) {
    const note = `${replayCount} replays used up`
    return { result: 'quarantined', state: { ...state, status: 'quarantined', replays, replayCount, note } }
  }
  return {
    result: 'again',
    state: { ...state, status: 'pending', dueAt: after(now, settlement.delayMs), replays, replayCount },
  }
}

/** A person's decision brings it back after `delayMs`; `undefined` when it may not come back. */
export function requeued(
  state: DeadLetterState,
  replayable: boolean,
  now: number,
  delayMs = 0,
): DeadLetterState | undefined {
  if (state.status !== 'in-doubt' && state.status !== 'quarantined') return undefined
  if (!replayable) return undefined
  return { status: 'pending', dueAt: after(now, delayMs), replayCount: 0, replays: state.replays }
}

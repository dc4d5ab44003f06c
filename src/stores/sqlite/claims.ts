import { DeadLetterFormatError } from '../../dead-letter/record/json.ts'
import type { ClaimedDeadLetter, DeadLetterState } from '../../dead-letter/record/record.ts'
import { checkClaim, type ClaimRequest, type ClaimOptions } from '../../dead-letter/store/claim-options.ts'
import {
  isReplayable,
  type LapseRules,
  lapse,
  maySettle,
  requeued,
  settled,
} from '../../dead-letter/store/lifecycle.ts'
import type { Settlement, SettleResult } from '../../dead-letter/store/settlement.ts'
import type { ClaimResult, CorruptDeadLetter } from '../../dead-letter/store/store.ts'
import { durationOption } from '../../options.ts'
import { readRows } from '../read-rows.ts'
import { conditions, deadLetterOf, natural, stateOf, type Row } from './rows.ts'
import { type DeadLetterTable, HELD, IS_HEAD, MAX_LEASE_MS, STATE } from './table.ts'
import { walk } from './walk.ts'

/** Leases that one claim settles at most: those of a crashed fleet must not hold up the process. */
const MAX_LAPSED = 500

/** Entries that one look finds at most. */
const MAX_CANDIDATES = 10_000

/** How often a claim looks again because others were faster. */
const MAX_ROUNDS = 20

/** Leases and what becomes of them; each step is one transaction. */
export class SqliteClaims {
  readonly #table: DeadLetterTable

  constructor(table: DeadLetterTable) {
    this.#table = table
  }

  async claim(options: ClaimOptions): Promise<ClaimResult> {
    const request = checkClaim(options)
    const result: ClaimResult = { items: [], corrupt: await this.#settleLapsed(request) }
    for (let round = 0; round < MAX_ROUNDS; round++) {
      let wasFaster = false
      for await (const ids of this.#candidates(request)) {
        const left = request.limit - result.items.length
        const { items, corrupt } = await this.#table.write(() => this.#leaseThose(ids, request, left))
        result.items.push(...items)
        result.corrupt.push(...corrupt)
        if (result.items.length === request.limit) return result
        wasFaster ||= items.length + corrupt.length < Math.min(ids.length, left)
      }
      // another process may have claimed what this one had found, and there may be more
      if (!wasFaster || request.ids !== undefined) break
    }
    return result
  }

  async #settleLapsed(rules: LapseRules): Promise<CorruptDeadLetter[]> {
    const now = this.#table.now()
    const any = await this.#table.read(() =>
      this.#table.get(
        `SELECT 1 FROM dead_letters d WHERE d.status IN ('leased', 'sending') AND NOT ${HELD} LIMIT 1`,
        now,
        now + MAX_LEASE_MS,
      ),
    )
    if (any === undefined) return []
    return this.#table.write(() => {
      const corrupt = this.#lapse(rules)
      for (const { id, message } of corrupt) this.#table.condemn(id, message)
      return corrupt
    })
  }

  /** Settles leases that ended by themselves, and gives back what of them cannot be read. */
  #lapse(rules: LapseRules): CorruptDeadLetter[] {
    const now = this.#table.now()
    const rows = this.#table.all(
      `SELECT d.id, d.repeatable, d.lease_until, ${STATE} FROM dead_letters d
       WHERE d.status IN ('leased', 'sending') AND NOT ${HELD} LIMIT ${MAX_LAPSED}`,
      now,
      now + MAX_LEASE_MS,
    )
    const { corrupt } = readRows(rows, (row) => {
      const until = natural(row, 'lease_until')
      // a longer one than can be asked for was given under a clock that was ahead
      const leaseUntil = Math.min(until, now)
      this.#table.setState(
        String(row['id']),
        lapse(stateOf(row), { repeatable: row['repeatable'] === 1, leaseUntil, now }, rules),
      )
    })
    return corrupt
  }

  /** Ids that may be claimed, some at a time. */
  async *#candidates(request: ClaimRequest): AsyncGenerator<readonly string[]> {
    const { ids, transfer } = request
    if (ids !== undefined) {
      yield ids
      return
    }
    const steps = walk(this.#table, {
      select: `d.id, d.${transfer ? 'ts' : 'due_at'}`,
      by: transfer ? 'ts' : 'due_at',
      where: transfer ? '1' : "d.status = 'pending' AND d.due_at <= ?",
      values: transfer ? [] : [this.#table.now()],
      filter: conditionsOf(request),
      // others may be faster with some
      limit: MAX_CANDIDATES,
      after: undefined,
    })
    for await (const rows of steps) yield rows.map(({ id }) => String(id))
  }

  /** Leases those of the candidates that are still free, and quarantines what of them cannot be read. */
  #leaseThose(ids: readonly string[], request: ClaimRequest, most: number): ClaimResult {
    const { sql, values } = conditionsOf(request)
    const isDue = request.transfer || request.ids !== undefined ? '1' : "d.status = 'pending'"
    const rows = this.#table.all(
      `SELECT d.* FROM dead_letters d WHERE d.id IN (SELECT value FROM json_each(?)) AND ${isDue}${sql}
       ORDER BY ${request.transfer ? 'd.ts' : 'd.due_at'}, d.id LIMIT ?`,
      JSON.stringify(ids),
      ...values,
      most,
    )
    const result = readRows(rows, (row) => this.#lease(row, request))
    for (const { id, message } of result.corrupt) this.#table.condemn(id, message)
    return result
  }

  #lease(row: Row, { leaseMs, transfer }: ClaimRequest): ClaimedDeadLetter {
    const entry = deadLetterOf(row)
    if (!transfer && !isReplayable(entry)) {
      throw new DeadLetterFormatError('its body is not there as it was captured')
    }
    const fence = Number(
      this.#table.get('UPDATE dead_letter_totals SET fence = fence + 1 RETURNING fence')!['fence'],
    )
    const leaseUntil = this.#table.now() + leaseMs
    this.#table.run(
      "UPDATE dead_letters SET leased_from = status, status = 'leased', fence = ?, lease_until = ? WHERE id = ?",
      fence,
      leaseUntil,
      entry.id,
    )
    return { ...entry, status: 'leased', leasedFrom: entry.status, fence, leaseUntil }
  }

  async renew(id: string, fence: number, leaseMs: number): Promise<boolean> {
    durationOption('leaseMs', leaseMs, 1)
    return this.#table.write(() => {
      const changes = this.#table.run(
        `UPDATE dead_letters SET status = 'sending', lease_until = ?
         WHERE id = ? AND fence = ? AND status IN ('leased', 'sending')`,
        this.#table.now() + leaseMs,
        id,
        fence,
      )
      return changes === 1
    })
  }

  async settle(id: string, fence: number, settlement: Settlement): Promise<SettleResult> {
    return this.#table.write(() => {
      const row = this.#table.get(
        `SELECT d.id, d.bytes, d.fence, ${STATE} FROM dead_letters d WHERE d.id = ?`,
        id,
      )
      if (row === undefined) return 'gone'
      const held = readableState(row)
      if (held === undefined || row['fence'] !== fence || !maySettle(held, settlement)) return 'stale'
      const { result, state } = settled(held, settlement, this.#table.now())
      if (state !== undefined) {
        this.#table.setState(id, state)
        return result
      }
      this.#table.remove(row)
      this.#table.bury(id)
      this.#table.run('UPDATE dead_letter_totals SET replayed = replayed + 1')
      return result
    })
  }

  async requeue(ids: readonly string[], options: { delayMs?: number } = {}): Promise<number> {
    return this.#table.write(() => {
      let count = 0
      for (const id of ids) {
        const row = this.#table.get(
          `SELECT d.id, d.replayable, d.corrupt, ${STATE} FROM dead_letters d WHERE d.id = ?`,
          id,
        )
        const quiet = row?.['corrupt'] === 0 ? readableState(row) : undefined
        if (row === undefined || quiet === undefined) continue
        const state = requeued(quiet, row['replayable'] === 1, this.#table.now(), options.delayMs)
        if (state === undefined) continue
        this.#table.setState(id, state)
        count++
      }
      return count
    })
  }
}

/** What a claim looks at in each row. */
function conditionsOf({ filter = {}, transfer }: ClaimRequest): ReturnType<typeof conditions> {
  const { sql, values } = conditions(filter)
  const free = " AND d.corrupt = 0 AND d.status NOT IN ('leased', 'sending')"
  return { sql: `${free}${transfer ? '' : ` AND d.replayable = 1 AND ${IS_HEAD}`}${sql}`, values }
}

/** Where a row stands; `undefined` when it cannot be read: the next claim that meets it quarantines it. */
function readableState(row: Row): DeadLetterState | undefined {
  return readRows([row], stateOf).items[0]
}

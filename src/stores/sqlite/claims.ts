import { checkClaim, type ClaimRequest, type LapseRules } from '../../dead-letter/claim-options.ts'
import { lapse, maySettle, requeued, settled } from '../../dead-letter/lifecycle.ts'
import type { ClaimedDeadLetter } from '../../dead-letter/record.ts'
import type { ClaimOptions, ClaimResult, Settlement, SettleResult } from '../../dead-letter/store.ts'
import { durationOption } from '../../options.ts'
import { conditions, deadLetterOf, stateOf, type Row } from './rows.ts'
import { type DeadLetterTable, read, STATE } from './table.ts'

/** Leases and what becomes of them; each step is one transaction. */
export class SqliteClaims {
  readonly #table: DeadLetterTable

  constructor(table: DeadLetterTable) {
    this.#table = table
  }

  async claim(options: ClaimOptions): Promise<ClaimResult> {
    const request = checkClaim(options)
    return this.#table.write(() => {
      this.#lapse(request)
      const { items, corrupt } = read(this.#candidates(request), (row) => this.#lease(row, request.leaseMs))
      for (const { id, message } of corrupt) {
        this.#table.run(
          "UPDATE dead_letters SET status = 'quarantined', corrupt = 1, note = ? WHERE id = ?",
          message,
          id,
        )
      }
      return { items, corrupt }
    })
  }

  #lapse(rules: LapseRules): void {
    const now = this.#table.now()
    const lapsed = this.#table.all(
      `SELECT d.id, d.repeatable, d.lease_until, ${STATE} FROM dead_letters d
       WHERE d.status IN ('leased', 'sending') AND d.lease_until <= ?`,
      now,
    )
    for (const row of lapsed) {
      const lease = { repeatable: row['repeatable'] === 1, leaseUntil: Number(row['lease_until']), now }
      this.#table.setState(String(row['id']), lapse(stateOf(row), lease, rules))
    }
  }

  #candidates({ limit, filter, ids, transfer }: ClaimRequest): Row[] {
    const free = "d.corrupt = 0 AND d.status NOT IN ('leased', 'sending')"
    const head = `(d.ordering_key IS NULL OR NOT EXISTS (
      SELECT 1 FROM dead_letters o WHERE o.ordering_key = d.ordering_key AND o.id < d.id))`
    const { sql, values } = conditions(filter ?? {})
    const where = [transfer ? free : ids === undefined ? "d.corrupt = 0 AND d.status = 'pending'" : free]
    if (!transfer) where.push('d.sendable = 1', head)
    if (!transfer && ids === undefined) {
      where.push('d.due_at <= ?')
      values.push(this.#table.now())
    }
    // the values of the filter come first, as its conditions do
    if (ids !== undefined) {
      where.push('d.id IN (SELECT value FROM json_each(?))')
      values.push(JSON.stringify(ids))
    }
    return this.#table.all(
      `SELECT d.* FROM dead_letters d WHERE 1${sql} AND ${where.join(' AND ')} ORDER BY d.due_at, d.id LIMIT ?`,
      ...values,
      limit,
    )
  }

  #lease(row: Row, leaseMs: number): ClaimedDeadLetter {
    const entry = deadLetterOf(row)
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
      const { changes } = this.#table.run(
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
      const held = stateOf(row)
      if (row['fence'] !== fence || !maySettle(held, settlement)) return 'stale'
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
          `SELECT d.sendable, d.corrupt, ${STATE} FROM dead_letters d WHERE d.id = ?`,
          id,
        )
        if (row === undefined || row['corrupt'] === 1) continue
        const state = requeued(
          stateOf(row),
          row['sendable'] === 1,
          this.#table.now() + (options.delayMs ?? 0),
        )
        if (state === undefined) continue
        this.#table.setState(id, state)
        count++
      }
      return count
    })
  }
}

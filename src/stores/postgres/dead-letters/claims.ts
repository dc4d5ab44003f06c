import { DeadLetterFormatError } from '../../../dead-letter/record/json.ts'
import type { ClaimedDeadLetter, DeadLetterState } from '../../../dead-letter/record/record.ts'
import { checkClaim, type ClaimOptions, type ClaimRequest } from '../../../dead-letter/store/claim-options.ts'
import {
  type ClaimScope,
  isReplayable,
  lapse,
  type LapseRules,
  maySettle,
  requeued,
  settled,
} from '../../../dead-letter/store/lifecycle.ts'
import type { Settlement, SettleResult } from '../../../dead-letter/store/settlement.ts'
import type { ClaimResult, CorruptDeadLetter } from '../../../dead-letter/store/store.ts'
import { durationOption } from '../../../options.ts'
import { readRows } from '../../read-rows.ts'
import type { Row } from '../client.ts'
import type { PostgresRetention } from './retention.ts'
import {
  conditions,
  deadLetterOf,
  held,
  idsJson,
  isHead,
  STATE,
  type StoredState,
  storedState,
} from './rows.ts'
import type { DeadLetterTable, StateChange } from './table.ts'

/** Leases that one claim settles at most: those of a crashed fleet must not hold up the process. */
const MAX_LAPSED = 500

/** How often a claim looks again because it met what cannot be and a settlement because others were faster. */
const MAX_ROUNDS = 20

/** Leases and what becomes of them: read, decided by the lifecycle, and written where nobody has changed it meanwhile. */
export class PostgresClaims {
  readonly #table: DeadLetterTable
  readonly #retention: PostgresRetention

  constructor(table: DeadLetterTable, retention: PostgresRetention) {
    this.#table = table
    this.#retention = retention
  }

  async claim(options: ClaimOptions): Promise<ClaimResult> {
    const request = checkClaim(options)
    const result: ClaimResult = { items: [], corrupt: await this.#settleLapsed(request) }
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const { items, corrupt } = await this.#lease(request, request.limit - result.items.length)
      result.items.push(...items)
      result.corrupt.push(...corrupt)
      if (corrupt.length === 0 || result.items.length === request.limit) break
    }
    return result
  }

  /**
   * Settles leases that ended by themselves, and gives back what of them cannot be read. Where nothing is added for long, too,
   * nothing is handed out that is too old to be there; what is moved elsewhere is saved, however old it is.
   */
  async #settleLapsed(rules: LapseRules & ClaimScope): Promise<CorruptDeadLetter[]> {
    const { entries, now } = this.#table
    const found = await this.#table.query(
      `WITH t AS MATERIALIZED (SELECT ${now} AS now)
       (SELECT d.id, t.now::text AS now, ${STATE} FROM ${entries} d, t
        WHERE d.status IN ('leased', 'sending') AND NOT ${held('t.now')} LIMIT ${MAX_LAPSED})
       UNION ALL
       (SELECT NULL, NULL, NULL FROM t WHERE ${rules.transfer ? 'false' : this.#retention.isAnyAged('t.now')})`,
    )
    const rows = found.filter(({ id }) => id !== null)
    if (rows.length < found.length) await this.#retention.enforce([])
    const { items, corrupt } = readRows(rows, (row): StateChange => {
      const stored = storedState(row)
      const { repeatable } = stored
      const now = Number(row['now'])
      // a longer one than can be asked for was given under a clock that was ahead
      const leaseUntil = Math.min(stored.leaseUntil, now)
      return changed(row, stored, lapse(stored.state, { repeatable, leaseUntil, now }, rules))
    })
    await this.#table.condemn(corrupt)
    await this.#table.change(items)
    return corrupt
  }

  /** Leases what is free, and quarantines what of it cannot be read. */
  async #lease(request: ClaimRequest, limit: number): Promise<ClaimResult> {
    const { leaseMs, filter = {}, ids, transfer } = request
    const { entries, fences, now } = this.#table
    const values: unknown[] = [String(leaseMs)]
    const where = ['NOT d.corrupt', ...conditions(filter, values)]
    if (transfer || ids !== undefined) where.push("d.status NOT IN ('leased', 'sending')")
    else where.push("d.status = 'pending'", 'd.due_at <= (SELECT now FROM t)')
    if (!transfer) where.push('d.replayable', isHead(entries))
    if (ids !== undefined) {
      where.push(`d.id IN (SELECT jsonb_array_elements_text($${values.push(idsJson(ids))}::text::jsonb))`)
    }
    const rows = await this.#table.query(
      `WITH t AS MATERIALIZED (SELECT ${now} AS now),
       pick AS MATERIALIZED (
         SELECT d.id, row_number() OVER (ORDER BY d.at, d.id) AS nth FROM (
           SELECT d.id, d.${transfer ? 'ts' : 'due_at'} AS at FROM ${entries} d WHERE ${where.join(' AND ')}
           ORDER BY at, d.id LIMIT ${limit} FOR UPDATE SKIP LOCKED) d),
       fenced AS MATERIALIZED (SELECT id, nextval('${fences}') AS fence FROM (SELECT id FROM pick ORDER BY nth) p)
       UPDATE ${entries} d
       SET leased_from = d.status, status = 'leased', fence = fenced.fence,
         lease_until = t.now + $1::text::float8::bigint
       FROM fenced, t WHERE d.id = fenced.id
       RETURNING d.id, d.record::text AS record, d.body, d.sealed, ${STATE}`,
      values,
    )
    const result = readRows(rows, (row): ClaimedDeadLetter => {
      const entry = deadLetterOf(row)
      if (!transfer && !isReplayable(entry)) {
        throw new DeadLetterFormatError('its body is not there as it was captured')
      }
      const { fence, leaseUntil } = storedState(row)
      return { ...entry, fence, leaseUntil }
    })
    await this.#table.condemn(result.corrupt)
    // fences rise in the order of the claim; RETURNING has none
    result.items.sort((one, other) => one.fence - other.fence)
    return result
  }

  async renew(id: string, fence: number, leaseMs: number): Promise<boolean> {
    durationOption('leaseMs', leaseMs, 1)
    const { entries, now } = this.#table
    const rows = await this.#table.query(
      `UPDATE ${entries} SET status = 'sending', lease_until = ${now} + $3::text::float8::bigint
       WHERE id = $1::text AND fence = $2::text::bigint AND status IN ('leased', 'sending') RETURNING id`,
      [id, String(fence), String(leaseMs)],
    )
    return rows.length === 1
  }

  async settle(id: string, fence: number, settlement: Settlement): Promise<SettleResult> {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const [row] = await this.#states([id])
      if (row === undefined) return 'gone'
      const [stored] = readRows([row], storedState).items
      if (stored?.fence !== fence || !maySettle(stored.state, settlement)) return 'stale'
      const { result, state } = settled(stored.state, settlement, Number(row['now']))
      if (state === undefined) {
        const isSame = 'd.fence = $2::text::bigint AND d.status = $3::text'
        const buried = await this.#table.bury([id], 'replayed', isSame, [String(fence), stored.status])
        if (buried === 1) return result
      } else {
        const done = await this.#table.change([changed(row, stored, state)])
        if (done.has(id)) return result
      }
    }
    throw tooBusy(id)
  }

  async requeue(ids: readonly string[], { delayMs }: { delayMs?: number } = {}): Promise<number> {
    let left = [...new Set(ids)]
    let count = 0
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const { items } = readRows(await this.#states(left), (row): StateChange[] => {
        const stored = storedState(row)
        const { replayable, corrupt } = stored
        const state = corrupt ? undefined : requeued(stored.state, replayable, Number(row['now']), delayMs)
        return state === undefined ? [] : [changed(row, stored, state)]
      })
      const changes = items.flat()
      const done = await this.#table.change(changes)
      count += done.size
      left = changes.flatMap(({ id }) => (done.has(id) ? [] : [id]))
      if (left.length === 0) return count
    }
    throw tooBusy(left[0]!)
  }

  #states(ids: readonly string[]): Promise<Row[]> {
    return this.#table.query(
      `SELECT d.id, ${this.#table.now}::text AS now, ${STATE} FROM ${this.#table.entries} d
       WHERE d.id IN (SELECT jsonb_array_elements_text($1::text::jsonb)) AND d.status <> 'gone'`,
      [idsJson(ids)],
    )
  }
}

/** A change of an entry that is still as it was read. */
function changed(row: Row, stored: StoredState, state: DeadLetterState): StateChange {
  const { fence, leaseUntil, status } = stored
  return { id: String(row['id']), fence, leaseUntil, status, replayCount: stored.state.replayCount, state }
}

function tooBusy(id: string): Error {
  return new Error(`dead letter ${id} is changed by others all the time`)
}

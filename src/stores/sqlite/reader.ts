import { DeadLetterFormatError } from '../../dead-letter/record/json.ts'
import type { DeadLetter } from '../../dead-letter/record/record.ts'
import { encodeCursor } from '../../dead-letter/store/query/cursor.ts'
import type { DeadLetterFilter } from '../../dead-letter/store/query/filter.ts'
import { checkQuery, type DeadLetterQuery } from '../../dead-letter/store/query/query.ts'
import { type DeadLetterStats, noneByStatus } from '../../dead-letter/store/stats.ts'
import type { CorruptDeadLetter, DeadLetterPage } from '../../dead-letter/store/store.ts'
import { readRows } from '../read-rows.ts'
import { conditions, deadLetterOf, isNatural, type Row } from './rows.ts'
import { type DeadLetterTable, IS_HEAD, MAX_NATURAL, STATE } from './table.ts'
import { walk } from './walk.ts'

/** What cannot be placed in the order of a list is named on its first page: so many at most. */
const MAX_MISPLACED = 100

/** What is read of dead letters without changing them. */
export class SqliteDeadLetterReader {
  readonly #table: DeadLetterTable

  constructor(table: DeadLetterTable) {
    this.#table = table
  }

  async get(id: string): Promise<DeadLetter | undefined> {
    const row = await this.#table.read(() => this.#table.get('SELECT * FROM dead_letters WHERE id = ?', id))
    if (row === undefined) return undefined
    try {
      return deadLetterOf(row)
    } catch (error) {
      throw new DeadLetterFormatError(`dead letter ${id}: ${(error as Error).message}`, id)
    }
  }

  async list(query?: DeadLetterQuery): Promise<DeadLetterPage> {
    const { filter, limit, after } = checkQuery(query)
    const items: DeadLetter[] = []
    const corrupt = after === undefined ? await this.#misplaced(filter) : []
    let last: Row | undefined
    let count = 0
    let more = false
    const rows = walk(this.#table, {
      select: `d.id, d.ts, d.record, ${STATE}`,
      by: 'ts',
      newestFirst: true,
      where: `d.ts BETWEEN 0 AND ${MAX_NATURAL}`,
      values: [],
      filter: conditions(filter),
      // one more tells that there are more
      limit: limit + 1,
      after: after && { at: after.timestamp, id: after.id },
    })
    for await (const step of rows) {
      const some = step.slice(0, limit - count)
      const found = readRows(some, deadLetterOf)
      items.push(...found.items)
      corrupt.push(...found.corrupt)
      count += some.length
      last = some.at(-1) ?? last
      more = some.length < step.length
      if (more) break
    }
    return {
      items,
      ...(more && last !== undefined
        ? { cursor: encodeCursor({ timestamp: Number(last['ts']), id: String(last['id']) }) }
        : {}),
      ...(corrupt.length === 0 ? {} : { corrupt }),
    }
  }

  /** Entries without a possible time of capture. */
  #misplaced(filter: DeadLetterFilter): Promise<CorruptDeadLetter[]> {
    const { sql, values } = conditions(filter)
    return this.#table.read(() =>
      this.#table
        .all(
          `SELECT d.id, d.ts FROM dead_letters d WHERE (d.ts < 0 OR d.ts > ${MAX_NATURAL})${sql} LIMIT ${MAX_MISPLACED}`,
          ...values,
        )
        .map(({ id, ts }) => ({ id: String(id), message: `its ts is out of range: ${String(ts)}` })),
    )
  }

  async stats(): Promise<DeadLetterStats> {
    // a write makes the totals readable again
    if ((await this.#table.read(() => this.#table.totals())) === undefined) {
      await this.#table.write(() => undefined)
    }
    return this.#table.read(() => {
      const byStatus = noneByStatus()
      for (const { status, n } of this.#table.all(
        'SELECT status, count(*) AS n FROM dead_letters GROUP BY status',
      )) {
        // as it is shown: what no store has written there waits for a person
        const known = Object.hasOwn(byStatus, String(status)) ? String(status) : 'quarantined'
        byStatus[known as keyof typeof byStatus] += Number(n)
      }
      const { count, bytes, captured, replayed, evicted, discarded } = this.#table.totals()!
      const due = this.#table.get(
        `SELECT count(*) AS n FROM dead_letters d WHERE d.status = 'pending' AND d.due_at <= ?
         AND d.replayable = 1 AND d.corrupt = 0 AND ${IS_HEAD}`,
        this.#table.now(),
      )
      const oldest = this.#table.get('SELECT min(ts) AS ts FROM dead_letters WHERE ts >= 0')?.['ts']
      return {
        total: count,
        byStatus,
        bytes,
        oldest: isNatural(oldest) ? oldest : undefined,
        due: Number(due?.['n']),
        counters: { captured, replayed, evicted, discarded },
      }
    })
  }
}

import { DeadLetterFormatError } from '../../../dead-letter/record/json.ts'
import type { DeadLetter } from '../../../dead-letter/record/record.ts'
import { encodeCursor } from '../../../dead-letter/store/query/cursor.ts'
import type { DeadLetterFilter } from '../../../dead-letter/store/query/filter.ts'
import { checkQuery, type DeadLetterQuery } from '../../../dead-letter/store/query/query.ts'
import { type DeadLetterStats, noneByStatus } from '../../../dead-letter/store/stats.ts'
import type { CorruptDeadLetter, DeadLetterPage } from '../../../dead-letter/store/store.ts'
import { readRows } from '../../read-rows.ts'
import { TOTAL_BYTES } from './retention.ts'
import { conditions, deadLetterOf, isHead, MAX_NATURAL, plain, STATE, timeText } from './rows.ts'
import type { DeadLetterTable } from './table.ts'

/** What cannot be placed in the order of a list is named on its first page: so many at most. */
const MAX_MISPLACED = 100

/** What is read of dead letters without changing them. */
export class PostgresDeadLetterReader {
  readonly #table: DeadLetterTable

  constructor(table: DeadLetterTable) {
    this.#table = table
  }

  async get(id: string): Promise<DeadLetter | undefined> {
    const [row] = await this.#table.query(
      `SELECT d.id, d.record::text AS record, d.body, d.sealed, ${STATE} FROM ${this.#table.entries} d
       WHERE d.id = $1::text AND d.status <> 'gone'`,
      [plain(id)],
    )
    if (row === undefined) return undefined
    try {
      return deadLetterOf(row)
    } catch (error) {
      throw new DeadLetterFormatError(`dead letter ${id}: ${(error as Error).message}`, id)
    }
  }

  async list(query?: DeadLetterQuery): Promise<DeadLetterPage> {
    const { filter, limit, after } = checkQuery(query)
    const misplaced = after === undefined ? await this.#misplaced(filter) : []
    const values: unknown[] = []
    const where = [`d.ts BETWEEN 0 AND ${MAX_NATURAL}`, ...conditions(filter, values)]
    if (after !== undefined) {
      const at = values.push(timeText(after.timestamp), plain(after.id))
      where.push(`(d.ts, d.id) < ($${at - 1}::text::bigint, $${at}::text)`)
    }
    const rows = await this.#table.query(
      `SELECT d.id, d.ts::text AS ts, d.record::text AS record, ${STATE} FROM ${this.#table.entries} d
       WHERE ${where.join(' AND ')} ORDER BY d.ts DESC, d.id DESC LIMIT ${limit + 1}`,
      values,
    )
    const page = rows.slice(0, limit)
    const { items, corrupt } = readRows(page, deadLetterOf)
    const last = page.at(-1)
    const all = [...misplaced, ...corrupt]
    return {
      items,
      ...(rows.length > limit && last !== undefined
        ? { cursor: encodeCursor({ timestamp: Number(last['ts']), id: String(last['id']) }) }
        : {}),
      ...(all.length === 0 ? {} : { corrupt: all }),
    }
  }

  /** Entries without a possible time of capture. */
  async #misplaced(filter: DeadLetterFilter): Promise<CorruptDeadLetter[]> {
    const values: unknown[] = []
    const where = conditions(filter, values)
    const rows = await this.#table.query(
      `SELECT d.id, d.ts::text AS ts FROM ${this.#table.entries} d
       WHERE (d.ts < 0 OR d.ts > ${MAX_NATURAL}) AND ${where.join(' AND ')} LIMIT ${MAX_MISPLACED}`,
      values,
    )
    return rows.map(({ id, ts }) => ({ id: String(id), message: `its ts is out of range: ${String(ts)}` }))
  }

  async stats(): Promise<DeadLetterStats> {
    const { entries, counts, now } = this.#table
    const counter = (name: string): string =>
      `'${name}', (SELECT greatest(0, least(sum(${name}), ${MAX_NATURAL})) FROM ${counts})`
    const [row] = await this.#table.query(
      `SELECT jsonb_build_object(
         'statuses', (SELECT coalesce(jsonb_object_agg(s.status, s.n), '{}') FROM (
           SELECT status, count(*) AS n FROM ${entries} WHERE status <> 'gone' GROUP BY status) s),
         'bytes', (SELECT ${TOTAL_BYTES} FROM ${entries} d WHERE d.status <> 'gone'),
         'oldest', (SELECT min(ts) FROM ${entries} WHERE status <> 'gone' AND ts BETWEEN 0 AND ${MAX_NATURAL}),
         'due', (SELECT count(*) FROM ${entries} d WHERE d.status = 'pending' AND d.due_at <= ${now}
           AND d.replayable AND NOT d.corrupt AND ${isHead(entries)}),
         ${['captured', 'replayed', 'evicted', 'discarded'].map(counter).join(', ')})::text AS stats`,
    )
    const { statuses, bytes, oldest, due, ...counters } = JSON.parse(String(row?.['stats'])) as {
      statuses: Readonly<Record<string, number>>
      bytes: number
      oldest: number | null
      due: number
    } & Record<keyof DeadLetterStats['counters'], number | null>
    const byStatus = noneByStatus()
    for (const [status, n] of Object.entries(statuses)) {
      // as it is shown: what no store has written there waits for a person
      byStatus[Object.hasOwn(byStatus, status) ? (status as keyof typeof byStatus) : 'quarantined'] += n
    }
    return {
      total: Object.values(byStatus).reduce((sum, n) => sum + n, 0),
      byStatus,
      bytes,
      oldest: oldest ?? undefined,
      due,
      counters: {
        captured: counters.captured ?? 0,
        replayed: counters.replayed ?? 0,
        evicted: counters.evicted ?? 0,
        discarded: counters.discarded ?? 0,
      },
    }
  }
}

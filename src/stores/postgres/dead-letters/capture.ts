import { storable } from '../../../dead-letter/record/json.ts'
import { type DeadLetterRecord, isRepeatable, originOf } from '../../../dead-letter/record/record.ts'
import { type AddResult, emptyAddResult } from '../../../dead-letter/store/add-result.ts'
import { initialState, isReplayable } from '../../../dead-letter/store/lifecycle.ts'
import { lastCode } from '../../../dead-letter/store/query/summary.ts'
import type { AddOptions } from '../../../dead-letter/store/sink.ts'
import { isSentAtOnce, OUTBOX_ADDED, type OutboxNotice } from '../../outbox-notice.ts'
import { type PostgresRetention, type Totals, totalsSql } from './retention.ts'
import { plainJson, plainNames } from './rows.ts'
import type { DeadLetterTable } from './table.ts'

/** What one statement inserts at most. */
const MAX_ROWS = 200
const MAX_BATCH_BYTES = 8 * 1024 * 1024

/** A record with what is kept of it. */
interface NewRow {
  readonly record: DeadLetterRecord
  readonly json: string
  readonly bytes: number
}

interface PostgresCaptureSettings {
  /** Of the pool. */
  readonly retention: PostgresRetention
  /** The transaction is somebody else's: room is made apart from it, and not waited for. */
  readonly isOthers: boolean
  /** Where replayers hear of calls of an outbox. */
  readonly notice: OutboxNotice | undefined
}

/** Adds records, a batch in one statement. */
export class PostgresCapture {
  readonly #table: DeadLetterTable
  readonly #retention: PostgresRetention
  readonly #isOthers: boolean
  readonly #notice: OutboxNotice | undefined

  constructor(table: DeadLetterTable, settings: PostgresCaptureSettings) {
    this.#table = table
    this.#retention = settings.retention
    this.#isOthers = settings.isOthers
    this.#notice = settings.notice
  }

  /** @throws {DeadLetterFormatError} for what could not be read back */
  async add(records: readonly DeadLetterRecord[], options: AddOptions): Promise<AddResult> {
    const result = emptyAddResult()
    let rows: NewRow[] = []
    let bytes = 0
    const send = async (): Promise<void> => {
      if (rows.length > 0) await this.#addBatch(rows, options, result)
      rows = []
      bytes = 0
    }
    for (const record of records) {
      const { json, bytes: size } = storable(record)
      if (this.#retention.isTooLarge(size)) {
        result.refused.push(record.id)
        continue
      }
      if (rows.length === MAX_ROWS || bytes + size > MAX_BATCH_BYTES) await send()
      rows.push({ record, json, bytes: size })
      bytes += size
    }
    await send()
    return result
  }

  async #addBatch(rows: readonly NewRow[], options: AddOptions, result: AddResult): Promise<void> {
    const { fresh, gone, refused, totals } = await this.#insert(rows, options)
    result.evicted.push(...(await this.#makeRoom(rows, fresh, totals)))
    const seen = new Set<string>()
    for (const { record } of rows) {
      const { id } = record
      if (gone.has(id)) result.settled.push(id)
      else if (refused.has(id)) result.refused.push(id)
      else {
        result.kept.push(id)
        if (!fresh.has(id) || seen.has(id)) (result as { duplicates: number }).duplicates++
      }
      seen.add(id)
    }
  }

  /** Evicts what has to go for what was added. */
  async #makeRoom(
    rows: readonly NewRow[],
    fresh: ReadonlySet<string>,
    totals: Totals,
  ): Promise<readonly string[]> {
    const made = this.#evictFor(rows, fresh, totals)
    if (!this.#isOthers) return made
    // it needs another connection, which a transaction that holds one may never get; when it fails, the next who adds makes it
    made.catch(() => undefined)
    return []
  }

  async #evictFor(
    rows: readonly NewRow[],
    fresh: ReadonlySet<string>,
    totals: Totals,
  ): Promise<readonly string[]> {
    const added = rows.filter(({ record }) => fresh.has(record.id))
    const load = { count: fresh.size, bytes: weightOf(added) }
    const oldest = Math.min(...added.map(({ record }) => record.timestamp))
    this.#retention.learn(totals, load)
    await this.#retention.tidy(totals)
    const isDue = this.#retention.isDue(totals, { ...load, oldest })
    return isDue ? this.#retention.enforce(rows.map(({ record }) => record.id)) : []
  }

  async #insert(
    rows: readonly NewRow[],
    options: AddOptions,
  ): Promise<{ fresh: Set<string>; gone: Set<string>; refused: Set<string>; totals: Totals }> {
    // bodies as parameters of their own: of an array of them a driver would write hexadecimal text
    const places = rows.map((_row, at) => {
      const [meta, record, body, sealed] = [1, 2, 3, 4].map((nth) => `$${at * 4 + nth}`)
      return `(${at}, ${meta}::text, ${record}::text, ${body}::bytea, ${sealed}::bytea)`
    })
    const values = rows.flatMap((row) => [
      metaOf(row, options),
      row.json,
      row.record.request.body ?? null,
      row.record.sealed?.data ?? null,
    ])
    // told when it is committed, by the server: with a message in the same transaction
    const isTold = rows.some(({ record }) => isSentAtOnce(record)) && this.#notice?.takeTurn() === true
    const told = isTold
      ? `UNION ALL SELECT 'told', pg_notify($${values.push(this.#table.channel)}::text, '${OUTBOX_ADDED}')::text`
      : ''
    const { entries, counts, now } = this.#table
    const load = { count: rows.length, bytes: weightOf(rows) }
    const room = this.#retention.isAmpleFor(load)
      ? undefined
      : this.#retention.roomSql(this.#table, load, (value) => `$${values.push(value)}`)
    const found = await this.#table.query(
      `WITH t AS MATERIALIZED (SELECT ${now} AS now),
       v(nth, meta, record, body, sealed) AS (VALUES ${places.join(', ')}),${room?.ctes ?? ''}
       fresh AS (
         INSERT INTO ${entries} (id, ts, integration, origin, reason, code, labels, ordering_key, replayable, repeatable,
           bytes, status, due_at, note, record, body, sealed)
         SELECT m.id, m.ts, m.integration, m.origin, m.reason, m.code, m.labels, m.ordering_key, m.replayable,
           m.repeatable, m.bytes, m.status, least(m.due_at, t.now + m.wait), m.note::json, v.record::json, v.body, v.sealed
         FROM t, v, jsonb_to_record(v.meta::jsonb) AS m(id text, ts bigint, integration text, origin text, reason text,
           code text, labels jsonb, ordering_key text, replayable boolean, repeatable boolean, bytes bigint,
           status text, due_at bigint, wait bigint, note text)
         ${room?.condition ?? ''}
         ORDER BY m.id ON CONFLICT (id) DO NOTHING RETURNING id, bytes),
       counted AS (
         INSERT INTO ${counts} (entries, bytes, captured)
         SELECT count(*), sum(bytes), count(*) FROM fresh HAVING count(*) > 0)
       SELECT 'fresh' AS what, id AS value FROM fresh
       UNION ALL SELECT 'totals', ${totalsSql(this.#table)}
       ${room?.refused ?? ''}
       UNION ALL SELECT 'gone', id FROM ${entries}
         WHERE (SELECT count(*) FROM fresh) < ${rows.length} AND status = 'gone' AND id IN (SELECT meta::jsonb ->> 'id' FROM v)
       ${told}`,
      values,
    )
    const of = (what: string): string[] =>
      found.flatMap((row) => (row['what'] === what ? [String(row['value'])] : []))
    const [totals] = of('totals')
    return {
      fresh: new Set(of('fresh')),
      gone: new Set(of('gone')),
      refused: new Set(of('refused')),
      totals: JSON.parse(totals ?? '') as Totals,
    }
  }
}

function weightOf(rows: readonly NewRow[]): number {
  return rows.reduce((sum, { bytes }) => sum + bytes, 0)
}

/** What filters and claims look at, as it is inserted. */
function metaOf({ record, bytes }: NewRow, options: AddOptions): string {
  const { status, dueAt, note } = initialState(record, options)
  return plainJson({
    id: record.id,
    ts: record.timestamp,
    integration: record.integration,
    origin: originOf(record),
    reason: record.reason,
    code: lastCode(record),
    labels: plainNames(record.labels),
    ordering_key: record.orderingKey,
    replayable: isReplayable(record),
    repeatable: isRepeatable(record),
    bytes,
    status,
    due_at: dueAt,
    // at a time of 0 what is left of the due time is the wait that was asked for: the server adds it to its own time
    wait: initialState(record, options, 0).dueAt,
    note: note === undefined ? null : JSON.stringify(note),
  })
}

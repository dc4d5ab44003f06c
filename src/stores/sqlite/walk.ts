import type { SQLInputValue } from 'node:sqlite'
import { setImmediate as breathe } from 'node:timers/promises'
import type { Row } from './rows.ts'
import type { DeadLetterTable } from './table.ts'

/** Rows that one step looks at: a file answers at once, and the event loop waits for it. */
const STEP = 200

/** An order that an index has, and what is looked at in it. */
interface Walk {
  /** Columns, with `d.id` and the column of the order. */
  readonly select: string
  readonly by: 'ts' | 'due_at'
  readonly newestFirst?: boolean
  /** What the index itself answers. */
  readonly where: string
  readonly values: readonly SQLInputValue[]
  /** What is looked up in each row: ` AND ...`. */
  readonly filter: { readonly sql: string; readonly values: readonly SQLInputValue[] }
  /** Rows that are wanted at most. */
  readonly limit: number
  /** The row to begin behind. */
  readonly after: { readonly at: SQLInputValue; readonly id: string } | undefined
}

/** Walks through the rows that match, some at a time, and lets the event loop go on between them. */
export async function* walk(table: DeadLetterTable, plan: Walk): AsyncGenerator<Row[]> {
  const { select, by, newestFirst = false, where, values, filter } = plan
  const [beyond, upTo, order] = newestFirst ? ['<', '>=', 'DESC'] : ['>', '<=', 'ASC']
  const sorted = `ORDER BY d.${by} ${order}, d.id ${order}`
  // no whole number is before or behind these
  let left = plan.limit
  let after = plan.after ?? { at: newestFirst ? 1e19 : -1e19, id: '' }
  for (;;) {
    const begin = [...values, after.at, after.id]
    const { rows, edge } = await table.read(() => {
      const edge = table.get(
        `SELECT d.${by} AS at, d.id FROM dead_letters d
         WHERE ${where} AND (d.${by}, d.id) ${beyond} (?, ?) ${sorted} LIMIT 1 OFFSET ${STEP - 1}`,
        ...begin,
      )
      const end = edge === undefined ? '' : `AND (d.${by}, d.id) ${upTo} (?, ?)`
      const rows = table.all(
        `SELECT ${select} FROM dead_letters d
         WHERE ${where} AND (d.${by}, d.id) ${beyond} (?, ?) ${end}${filter.sql} ${sorted} LIMIT ?`,
        ...begin,
        ...(edge === undefined ? [] : [edge['at']!, edge['id']!]),
        ...filter.values,
        left,
      )
      return { rows, edge }
    })
    if (rows.length > 0) yield rows
    left -= rows.length
    if (edge === undefined || left === 0) return
    after = { at: edge['at']!, id: String(edge['id']) }
    await breathe()
  }
}

import { terminalSafe } from './terminal-safe.ts'

export interface Column<Row> {
  readonly title: string
  readonly value: (row: Row) => string
  readonly align?: 'right'
}

const GAP = '  '
/** A last column that had less than this would say nothing; the line wraps instead. */
const MIN_LAST = 24

const zeroWidth = /^\p{M}$/u
const doubleWidth =
  /^[\p{Emoji_Presentation}\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\u{3000}-\u{303f}\u{ff01}-\u{ff60}]$/u

/** How many cells of a terminal the text takes, as far as that can be known. */
export function textWidth(text: string): number {
  let width = 0
  for (const character of text) {
    if (character >= ' ' && character <= '~') width++
    else if (!zeroWidth.test(character)) width += doubleWidth.test(character) ? 2 : 1
  }
  return width
}

/** Cuts the text to a width, with an ellipsis for what is missing. */
export function cutTo(text: string, width: number): string {
  if (textWidth(text) <= width) return text
  let cut = ''
  let used = 1
  for (const character of text) {
    used += textWidth(character)
    if (used > width) break
    cut += character
  }
  return `${cut}…`
}

/** Lines of a table; the last column is cut to what is left of `width`. Cells are made safe for a terminal. */
export function tableLines<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  width: number = Infinity,
): string[] {
  const cells = [
    columns.map(({ title }) => title),
    ...rows.map((row) => columns.map(({ value }) => terminalSafe(value(row)))),
  ]
  const widths = columns.map((_, at) =>
    cells.reduce((max, line) => Math.max(max, textWidth(line[at] ?? '')), 0),
  )
  const last = columns.length - 1
  const before = widths.slice(0, last).reduce((sum, one) => sum + one + GAP.length, 0)
  const room = Math.max(MIN_LAST, width - before)
  return cells.map((line) =>
    line
      .map((cell, at) => {
        const right = columns[at]?.align === 'right'
        if (at === last && !right) return cutTo(cell, room)
        const padding = ' '.repeat(Math.max(0, (widths[at] ?? 0) - textWidth(cell)))
        return right ? padding + cell : cell + padding
      })
      .join(GAP)
      .trimEnd(),
  )
}

/** Lines of names and values. */
export function fieldLines(
  fields: readonly (readonly [name: string, value: string | undefined])[],
): string[] {
  const shown = fields.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]))
  const width = Math.max(0, ...shown.map(([name]) => name.length))
  return shown.map(([name, value]) => `${name.padEnd(width)}${GAP}${terminalSafe(value)}`)
}

import { terminalSafe } from './terminal-safe.ts'

export interface Column<Row> {
  readonly title: string
  readonly value: (row: Row) => string
  readonly align?: 'right'
  /** Where the terminal is too narrow for the table, it stands on a line of its own below the others. */
  readonly narrow?: 'below'
  /** Where the last column is cut: of an address the end says more than the middle. Default `'end'`. */
  readonly cut?: 'middle'
}

const GAP = '  '
const INDENT = '    '
/** The least width of the last column: on a narrower terminal columns go below, or lines wrap. */
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

/** Cuts the middle out of the text, with an ellipsis for it: a third is kept of its start, the rest of its end. */
export function cutMiddle(text: string, width: number): string {
  if (textWidth(text) <= width) return text
  const start = cutTo(text, Math.ceil(width / 3))
  const characters = [...text]
  let at = characters.length
  let used = textWidth(start)
  while (at > 0 && (used += textWidth(characters[at - 1]!)) <= width) at--
  return start + characters.slice(at).join('')
}

/**
 * Lines of a table; the last column is cut to what is left of `width`. Where that is too little, the columns that may are
 * on lines below the others. Cells are made safe for a terminal.
 */
export function tableLines<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  width: number = Infinity,
): string[] {
  const whole = linesOf(columns, rows, width)
  if (whole.fits || !columns.some(({ narrow }) => narrow === 'below')) return whole.lines
  const above = linesOf(
    columns.filter(({ narrow }) => narrow === undefined),
    rows,
    width,
  )
  const below = linesOf(
    columns.filter(({ narrow }) => narrow === 'below'),
    rows,
    width - INDENT.length,
  )
  return above.lines.flatMap((line, at) => [line, INDENT + below.lines[at]!])
}

function linesOf<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  width: number,
): { readonly lines: string[]; readonly fits: boolean } {
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
  const cut = columns[last]?.cut === 'middle' ? cutMiddle : cutTo
  const lines = cells.map((line) =>
    line
      .map((cell, at) => {
        const right = columns[at]?.align === 'right'
        if (at === last && !right) return cut(cell, room)
        const padding = ' '.repeat(Math.max(0, (widths[at] ?? 0) - textWidth(cell)))
        return right ? padding + cell : cell + padding
      })
      .join(GAP)
      .trimEnd(),
  )
  return { lines, fits: before + Math.min(MIN_LAST, widths[last] ?? 0) <= width }
}

/** Lines of names and values. */
export function fieldLines(
  fields: readonly (readonly [name: string, value: string | undefined])[],
): string[] {
  const shown = fields.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]))
  const width = Math.max(0, ...shown.map(([name]) => name.length))
  return shown.map(([name, value]) => `${name.padEnd(width)}${GAP}${terminalSafe(value)}`)
}

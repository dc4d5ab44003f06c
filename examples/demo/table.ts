import { stripVTControlCharacters } from 'node:util'

/** Lays out rows under a header: the first column to the left, the others to the right. Cells may be coloured. */
export function table(header: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const cells = [header, ...rows.map((row) => row.map(String))]
  const widths = header.map((_, column) => Math.max(...cells.map((row) => width(row[column]))))
  const line = (row: readonly string[]): string =>
    row.map((cell, column) => pad(cell, widths[column] ?? 0, column === 0)).join('   ')
  const rule = widths.map((size) => '─'.repeat(size)).join('───')
  return [line(header), rule, ...cells.slice(1).map(line)].map((text) => `  ${text.trimEnd()}`).join('\n')
}

function width(cell = ''): number {
  return stripVTControlCharacters(cell).length
}

function pad(cell: string, size: number, left: boolean): string {
  const space = ' '.repeat(Math.max(0, size - width(cell)))
  return left ? cell + space : space + cell
}

import { describe, expect, it } from 'vitest'
import { cutTo, fieldLines, tableLines, textWidth } from '../../../src/cli/table.ts'

const columns = [
  { title: 'ID', value: (row: { id: string }) => row.id },
  { title: 'N', value: (row: { n: number }) => String(row.n), align: 'right' as const },
  { title: 'TEXT', value: (row: { text: string }) => row.text },
]

describe('tableLines', () => {
  it('aligns columns by their widest cell', () => {
    const rows = [
      { id: 'a', n: 1, text: 'x' },
      { id: 'long', n: 100, text: 'y' },
    ]
    expect(tableLines(columns, rows)).toEqual(['ID      N  TEXT', 'a       1  x', 'long  100  y'])
  })

  it('cuts the last column to the width, never the others', () => {
    const lines = tableLines(columns, [{ id: 'abc', n: 1, text: 'z'.repeat(80) }], 40)
    expect(lines[1]).toBe(`abc  1  ${'z'.repeat(31)}…`)
  })

  it('keeps a cell with newlines and escapes on one line', () => {
    const lines = tableLines(columns, [{ id: 'a\nb', n: 1, text: '\u001b[2J' }])
    expect(lines[1]).toBe('a\\nb  1  \\x1b[2J')
  })

  it('takes a hundred thousand rows', () => {
    const rows = Array.from({ length: 100_000 }, (_, n) => ({ id: 'id', n, text: 't' }))
    expect(tableLines(columns, rows)).toHaveLength(100_001)
  })
})

describe('textWidth', () => {
  it('counts wide characters twice and combining ones not at all', () => {
    expect(textWidth('abc')).toBe(3)
    expect(textWidth('北京')).toBe(4)
    expect(textWidth('e\u0301')).toBe(1)
  })
})

describe('cutTo', () => {
  it('does not cut a wide character in half', () => {
    expect(cutTo('北京北京', 6)).toBe('北京…')
    expect(cutTo('abc', 3)).toBe('abc')
  })
})

describe('fieldLines', () => {
  it('leaves out what is undefined', () => {
    expect(
      fieldLines([
        ['a', '1'],
        ['long', undefined],
        ['bc', '\r'],
      ]),
    ).toEqual(['a   1', 'bc  \\r'])
  })
})

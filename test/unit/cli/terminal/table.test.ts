import { describe, expect, it } from 'vitest'
import { cutMiddle, cutTo, fieldLines, tableLines, textWidth } from '../../../../src/cli/terminal/table.ts'

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

  it('puts columns below the others where the terminal is too narrow for a line', () => {
    const wide = [
      { title: 'ID', value: (row: { id: string }) => row.id },
      { title: 'NAME', value: (row: { name: string }) => row.name, narrow: 'below' as const },
      { title: 'AGE', value: () => '3s', align: 'right' as const },
      {
        title: 'URL',
        value: (row: { url: string }) => row.url,
        narrow: 'below' as const,
        cut: 'middle' as const,
      },
    ]
    const rows = [
      { id: '0123456789', name: 'crm', url: 'https://api.example.com/v1/contacts/of/this/account/77' },
      { id: '1', name: 'hubspot', url: 'https://a.example' },
    ]
    expect(tableLines(wide, rows, 44)).toEqual([
      'ID          AGE',
      '    NAME     URL',
      '0123456789   3s',
      '    crm      https://ap…s/of/this/account/77',
      '1            3s',
      '    hubspot  https://a.example',
    ])
    expect(tableLines(wide, rows, 60)[1]).toBe('0123456789  crm       3s  https://api…cts/of/this/account/77')
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

describe('cutMiddle', () => {
  it('keeps the start and the end, the end longer', () => {
    expect(cutMiddle('abcdefghijklmnop', 16)).toBe('abcdefghijklmnop')
    expect(cutMiddle('abcdefghijklmnop', 9)).toBe('ab…klmnop')
    expect(cutMiddle('北京北京北京', 7)).toBe('北…北京')
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

import { expect, it } from 'vitest'
import { plainJson } from '../../../../../src/stores/postgres/dead-letters/rows.ts'

it.each([
  ['nothing to change', 'a ü 😀 " \\ \n', 'a ü 😀 " \\ \n'],
  ['NUL', 'a\0b', 'a\uFFFDb'],
  ['the first half of a pair', 'a\uD83Db', 'a\uFFFDb'],
  ['the second half of a pair', '\uDE00', '\uFFFD'],
  ['what only looks like one', '\\u0000 \\ud83d', '\\u0000 \\ud83d'],
])('JSON for jsonb holds text as it can be held there: %s', (_what, text, held) => {
  expect(JSON.parse(plainJson({ text, list: [text], nothing: undefined }))).toEqual({
    text: held,
    list: [held],
  })
  expect(plainJson({ text })).not.toMatch(/(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f])/)
})

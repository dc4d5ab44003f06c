import { describe, expect, it } from 'vitest'
import { isNothing, isWordForNothing } from '../../../src/http/nothing.ts'

describe('a text', () => {
  it.each(['undefined', 'null', ' null ', '"undefined"', '[object Promise]', '[object Object]'])(
    '%j is the word for nothing, and says nothing',
    (text) => {
      expect([isWordForNothing(text), isNothing(text)]).toEqual([true, true])
    },
  )

  it.each(['', ' ', '""', '" "'])('%j says nothing, and is no word', (text) => {
    expect([isWordForNothing(text), isNothing(text)]).toEqual([false, true])
  })

  it.each(['a', '0', 'false', 'Null', 'undefined1', 'null null'])('%j says something', (text) => {
    expect([isWordForNothing(text), isNothing(text)]).toEqual([false, false])
  })
})

import { describe, expect, it } from 'vitest'
import {
  type DeadLetterFilter,
  labelCondition,
  matchesFilter,
} from '../../../../../src/dead-letter/store/query/filter.ts'
import type { DeadLetterSummary } from '../../../../../src/dead-letter/store/query/summary.ts'

const entry: DeadLetterSummary = {
  integration: 'crm',
  origin: 'https://api.example.com',
  status: 'pending',
  reason: 'exhausted',
  code: '503',
  timestamp: 1000,
  labels: { tenant: 'a=b', empty: '' },
}

const matching: Required<{ [Condition in keyof DeadLetterFilter]: [yes: unknown, no: unknown] }> = {
  integration: ['crm', 'cr'],
  origin: ['https://api.example.com', 'https://api.example.com/'],
  status: ['pending', 'leased'],
  reason: ['exhausted', 'deadline'],
  code: ['503', '50'],
  label: ['tenant=a=b', 'tenant=a'],
  from: [1000, 1001],
  to: [1001, 1000],
}

describe('a filter', () => {
  it('without conditions matches everything', () => {
    expect(matchesFilter(entry, {})).toBe(true)
  })

  it.each(Object.entries(matching))(
    'asks for %s exactly, from included, to excluded',
    (condition, [yes, no]) => {
      expect(matchesFilter(entry, { [condition]: yes })).toBe(true)
      expect(matchesFilter(entry, { [condition]: no })).toBe(false)
    },
  )

  it.each(Object.entries(matching))(
    'matches only when each condition holds: not with a wrong %s',
    (condition, [, no]) => {
      const all = Object.fromEntries(Object.entries(matching).map(([name, [yes]]) => [name, yes]))
      expect(matchesFilter(entry, all)).toBe(true)
      expect(matchesFilter(entry, { ...all, [condition]: no })).toBe(false)
    },
  )

  it.each([
    ['tenant', true],
    ['empty', true],
    ['empty=', true],
    ['tenant=', false],
    ['=', false],
    ['', false],
    ['__proto__', false],
    ['toString', false],
    ['!other', true],
    ['!tenant', false],
    ['!__proto__', true],
  ])('finds the label %j: %s', (label, found) => {
    expect(matchesFilter(entry, { label })).toBe(found)
    expect(matchesFilter({ ...entry, labels: undefined }, { label })).toBe(label.startsWith('!'))
  })
})

describe('a label condition', () => {
  it('ends its key at the first =', () => {
    expect(labelCondition('tenant=a=b')).toEqual({ key: 'tenant', value: 'a=b', isAbsent: false })
    expect(labelCondition('tenant')).toEqual({ key: 'tenant', value: undefined, isAbsent: false })
    expect(labelCondition('tenant=')).toEqual({ key: 'tenant', value: '', isAbsent: false })
  })

  it('that begins with ! asks for entries without the label', () => {
    expect(labelCondition('!tenant')).toEqual({ key: 'tenant', value: undefined, isAbsent: true })
  })
})

import { describe, expect, it } from 'vitest'
import { eachHeader, headerValue, type RequestHeaders, withHeader } from '../../../src/http/headers.ts'

const forms: [string, RequestHeaders][] = [
  ['a flat array', ['A', '1', 'b', ['2', '3'] as never]],
  ['an object', { A: '1', b: ['2', '3'] }],
  [
    'pairs',
    new Map<string, string | string[]>([
      ['A', '1'],
      ['b', ['2', '3']],
    ]) as never,
  ],
]

describe('headers of a request', () => {
  it.each(forms)('are read from %s', (_form, headers) => {
    expect([...eachHeader(headers)]).toEqual([
      ['A', '1'],
      ['b', '2'],
      ['b', '3'],
    ])
    expect(headerValue(headers, 'a')).toBe('1')
    expect(headerValue(headers, 'c')).toBeUndefined()
  })

  it.each(forms)('get one more in %s, and the caller’s own stay as they were', (_form, headers) => {
    const before = [...eachHeader(headers)]
    expect([...eachHeader(withHeader(headers, 'idempotency-key', 'k'))]).toEqual([
      ...before,
      ['idempotency-key', 'k'],
    ])
    expect([...eachHeader(headers)]).toEqual(before)
  })

  it.each(forms)('have one header replaced in %s, whatever its case', (_form, headers) => {
    expect([...eachHeader(withHeader(headers, 'b', 'k'))]).toEqual([
      ['A', '1'],
      ['b', 'k'],
    ])
    expect([...eachHeader(withHeader(headers, 'a', 'k'))]).toEqual([
      ['b', '2'],
      ['b', '3'],
      ['a', 'k'],
    ])
  })

  it('may be missing altogether', () => {
    for (const none of [null, undefined]) {
      expect([...eachHeader(none as never)]).toEqual([])
      expect(withHeader(none as never, 'a', '1')).toEqual({ a: '1' })
    }
  })
})

import { describe, expect as vitest, it } from 'vitest'
import { expect } from '../../../src/testing/contracts/expect.ts'

const refused = (ask: () => void): void => {
  vitest(ask).toThrow(vitest.objectContaining({ name: 'AssertionError' }))
}

describe('expect of the contract suites', () => {
  it('compares contents: undefined properties and prototypes do not matter, all else does', () => {
    expect({ a: 1, b: undefined }).toEqual({ a: 1 })
    expect(Object.assign(Object.create(null) as object, { a: [1, { b: 'c' }] })).toEqual({
      a: [1, { b: 'c' }],
    })
    expect(Buffer.from('ab')).toEqual(Uint8Array.from([97, 98]))
    for (const [one, other] of [
      [{ a: 1 }, {}],
      [{}, { a: 1 }],
      [[1, 2], [1]],
      [[1], [1, 2]],
      [[1], { 0: 1, length: 1 }],
      [Buffer.from('ab'), Buffer.from('ac')],
      [Buffer.from('ab'), [97, 98]],
      [null, {}],
      [{}, null],
      [0, -0],
      ['1', 1],
    ]) {
      refused(() => expect(one).toEqual(other))
    }
  })

  it('matches what has more, but lists only of the same length', () => {
    expect({ a: { b: 1, c: 2 }, d: 3 }).toMatchObject({ a: { b: 1 } })
    refused(() => expect({ a: { b: 1 } }).toMatchObject({ a: { b: 2 } }))
    refused(() => expect([{ a: 1 }, { a: 2 }]).toMatchObject([{ a: 1 }]))
    refused(() => expect(undefined).toMatchObject({}))
  })

  it('compares numbers, and refuses what is none', () => {
    expect(2).toBeGreaterThan(1)
    expect(2).toBeGreaterThanOrEqual(2)
    expect(1).toBeLessThan(2)
    expect(2).toBeLessThanOrEqual(2)
    refused(() => expect(1).toBeGreaterThan(1))
    refused(() => expect(1).toBeGreaterThanOrEqual(2))
    refused(() => expect(1).toBeLessThan(1))
    refused(() => expect(2).toBeLessThanOrEqual(1))
    refused(() => expect(undefined).toBeLessThan(1))
  })

  it('asks for identity, length, membership and absence', () => {
    expect(NaN).toBe(NaN)
    expect([1]).toHaveLength(1)
    expect([1]).toContain(1)
    expect(undefined).toBeUndefined()
    expect(1).not.toBe(2)
    expect([1]).not.toContain(2)
    refused(() => expect({}).toBe({}))
    refused(() => expect([1]).toHaveLength(2))
    refused(() => expect([1]).toContain(2))
    refused(() => expect(null).toBeUndefined())
    refused(() => expect(1).not.toBe(1))
    refused(() => expect([1]).not.toContain(1))
  })

  it('waits for a rejection, and refuses a promise that is kept', async () => {
    await expect(Promise.reject(new Error('is closed'))).rejects.toThrow('closed')
    await expect(Promise.reject(new RangeError('x'))).rejects.toMatchObject({ name: 'RangeError' })
    await vitest(expect(Promise.resolve()).rejects.toThrow()).rejects.toThrow('a rejection')
    await vitest(expect(Promise.reject(new Error('x'))).rejects.toThrow('closed')).rejects.toThrow('closed')
    await vitest(expect(Promise.reject(new Error('x'))).rejects.toMatchObject({ name: 'A' })).rejects.toThrow(
      'A',
    )
  })
})

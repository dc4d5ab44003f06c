import { describe, expect, it } from 'vitest'
import { bodyFault, headerFault, methodFault, urlFault } from '../../../src/http/sendable-request.ts'
import { sha256 } from '../../../src/http/sha256.ts'

const all = Array.from({ length: 0x21 }, (_, code) => String.fromCharCode(code))
const controls = [...all.filter((character) => character !== '\t' && character !== ' '), '\u007f']

describe('a request that is to be sent', () => {
  it.each([
    ['https://api.example.com/a?b=c#d', undefined],
    ['http://127.0.0.1:8080', undefined],
    ['/a', 'is malformed'],
    ['', 'is malformed'],
    ['https://a.test/\r\nx: y', 'is malformed'],
    ['file:///etc/passwd', 'has the protocol "file:", not http or https'],
    ['https://user@a.test/', 'holds a user name or password'],
    ['https://:word@a.test/', 'holds a user name or password'],
  ])('has a whole http url: %j', (url, fault) => {
    expect(urlFault(url)).toBe(fault)
  })

  it.each([
    ['GET', undefined],
    ['M-SEARCH', undefined],
    ['CONNECT', 'cannot be replayed'],
    ['', 'cannot be replayed'],
    ['GET /', 'cannot be replayed'],
    ['GET\r\n', 'cannot be replayed'],
  ])('has a method that is a token: %j', (method, fault) => {
    expect(methodFault(method)).toBe(fault)
  })

  it('has no header that would break out of its line, and says so without the value', () => {
    expect(headerFault('x-a', 'one\ttwo é')).toBeUndefined()
    expect(headerFault('x-a', ['one', 'two'])).toBeUndefined()
    for (const control of controls) {
      expect(headerFault('x-a', `secret${control}`)).toBe('"x-a" holds a control character')
      expect(headerFault('x-a', ['fine', `secret${control}`])).toBe('"x-a" holds a control character')
      expect(headerFault(`x${control}`, 'secret')).toBe(`name ${JSON.stringify(`x${control}`)} is malformed`)
    }
    expect(headerFault('x a', 'secret')).toBe('name "x a" is malformed')
    expect(headerFault('', 'secret')).toBe('name "" is malformed')
    expect(headerFault('x'.repeat(50_000) + ':', 'secret')!.length).toBeLessThan(200)
    expect(headerFault('x-a', 7)).toBe('"x-a" is no string')
    expect(headerFault('x-a', undefined)).toBe('"x-a" is no string')
    expect(headerFault('x-a', ['fine', null])).toBe('"x-a" is no string')
  })

  it('has the body that it had, to the last byte', () => {
    const body = Buffer.from('pay 10')
    const digest = sha256(body)
    expect(bodyFault(body, { bytes: 6, sha256: digest })).toBeUndefined()
    expect(bodyFault(undefined, { bytes: 0 })).toBeUndefined()
    expect(bodyFault(Buffer.alloc(0), { bytes: 0 })).toBeUndefined()
    expect(bodyFault(undefined, { bytes: 6, sha256: digest })).toBe('has 0 bytes, `bytes` says 6')
    expect(bodyFault(body, { bytes: 7, sha256: digest })).toBe('has 6 bytes, `bytes` says 7')
    const changed = 'is not the one that was captured: `sha256` differs'
    expect(bodyFault(Buffer.from('pay 99'), { bytes: 6, sha256: digest })).toBe(changed)
    expect(bodyFault(body, { bytes: 6 })).toBe(changed)
  })
})

import { describe, expect, it } from 'vitest'
import type { DeadLetter } from '../../../../src/dead-letter/record/record.ts'
import { initialState } from '../../../../src/dead-letter/store/lifecycle.ts'
import { checkOrigin } from '../../../../src/operations/checked-origin.ts'
import { InputError } from '../../../../src/operations/operation-error.ts'
import { checkOriginHeader, withOriginHeaders } from '../../../../src/operations/replay/credentials.ts'
import { makeRecord } from '../../../../src/testing/contracts/records.ts'

const ORIGIN = 'https://api.example.com'

function entryTo(url: string): DeadLetter {
  const record = makeRecord({ request: { url } })
  return { ...record, ...initialState(record) }
}

describe('checkOriginHeader', () => {
  const check = (origin: string, header: string, value: string): unknown =>
    checkOriginHeader('env', { origin, header, value }, [ORIGIN])

  it('takes a header for an allowed origin', () => {
    expect(check(ORIGIN, 'Authorization', 'Bearer x')).toEqual({
      origin: ORIGIN,
      header: 'authorization',
      value: 'Bearer x',
    })
  })

  it.each([
    [`${ORIGIN}/path`, 'a', '', /^`env` must be an origin/],
    [ORIGIN, 'a', '\r\nx: y', /^`env` cannot be sent: the header "a" holds a control character/],
    [ORIGIN, 'a b', '', /name "a b" is malformed/],
    [ORIGIN, 'Host', '', /the header "host": it is made by the client/],
    ['https://b.example', 'a', '', /names https:\/\/b.example, to which nothing is allowed to go/],
  ])('refuses %s %s%s, and never says the value', (origin, header, value, message) => {
    const read = (): unknown => check(origin, header, `hunter2${value}`)
    expect(read).toThrow(InputError)
    expect(read).toThrow(message)
    expect(read).not.toThrow(/hunter2/)
  })
})

describe('checkOriginHeader of a value that was not there', () => {
  const check = (header: string, value: string): unknown =>
    checkOriginHeader('env', { origin: ORIGIN, header, value }, [ORIGIN])

  it.each([
    ['authorization', 'Bearer undefined'],
    ['Authorization', 'Bearer '],
    ['x-api-key', 'null'],
  ])('refuses %s: %s', (header, value) => {
    expect(() => check(header, value)).toThrow(
      `\`env\` has the header "${header.toLowerCase()}" with no credential in it`,
    )
  })

  it('takes another header that says null', () => {
    expect(check('x-tenant', 'null')).toMatchObject({ value: 'null' })
  })
})

describe('withOriginHeaders', () => {
  const header = { origin: ORIGIN, header: 'authorization', value: 'Bearer env' }

  it('gives a header to its own origin and to no other', async () => {
    const credentials = withOriginHeaders(undefined, [header])
    expect(await credentials(entryTo(`${ORIGIN}/x`))).toEqual({
      headers: { authorization: 'Bearer env' },
      query: {},
    })
    for (const url of [
      'https://api.example.com.evil.test/x',
      'http://api.example.com/x',
      'https://api.example.com:444/',
    ]) {
      expect(await credentials(entryTo(url)), url).toEqual({ headers: {}, query: {} })
    }
  })

  it('adds to the credentials in both of their forms, and goes over them', async () => {
    const plain = withOriginHeaders(() => ({ authorization: 'old', 'x-a': '1' }), [header])
    expect(await plain(entryTo(`${ORIGIN}/x`))).toEqual({
      headers: { authorization: 'Bearer env', 'x-a': '1' },
      query: {},
    })
    const split = withOriginHeaders(async () => Promise.resolve({ query: { key: 'q' } }), [header])
    expect(await split(entryTo(`${ORIGIN}/x`))).toEqual({
      headers: { authorization: 'Bearer env' },
      query: { key: 'q' },
    })
  })
})

it('takes origins only as they are compared', () => {
  expect(checkOrigin('origin', ORIGIN)).toBe(ORIGIN)
  expect(() => checkOrigin('origin', `${ORIGIN}/`)).toThrow(/did you mean https:\/\/api.example.com\?/)
  expect(() => checkOrigin('origin', `${ORIGIN}:443`)).toThrow(/did you mean/)
  expect(() => checkOrigin('origin', 'file:///etc')).toThrow(/must be an origin/)
})

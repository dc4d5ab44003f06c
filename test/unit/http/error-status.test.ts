import { describe, expect, it } from 'vitest'
import { errorHeaders, errorStatus, isAbort } from '../../../src/http/error-status.ts'

describe('errorStatus', () => {
  it.each([
    [{ statusCode: 503, status: 404 }, 503],
    [{ status: 404 }, 404],
    [{ response: { status: 404 } }, 404],
    [{ response: { statusCode: 404 } }, 404],
    [{ status: 'error', statusCode: null, response: { status: 404 } }, 404],
    [{ status: 0 }, undefined],
    [{ status: 4040 }, undefined],
    [{ statusCode: 404.5 }, undefined],
    [{ response: null }, undefined],
    ['404', undefined],
    [null, undefined],
  ])('%j is %s', (error, status) => expect(errorStatus(error)).toBe(status))
})

describe('errorHeaders', () => {
  it.each([
    [{ response: { headers: new Headers({ 'Retry-After': '1' }) } }, { 'retry-after': '1' }],
    [{ headers: { 'Retry-After': 1 } }, { 'retry-after': '1' }],
    [{ headers: ['Retry-After', '1', 'retry-after', '2'] }, { 'retry-after': ['1', '2'] }],
    [{ headers: { 'retry-after': undefined } }, {}],
    [{ response: { headers: 'retry-after: 1' } }, {}],
    [{ headers: new Set([1]) }, {}],
    [new Error('x'), {}],
  ])('%o gives %o', (error, headers) => expect(errorHeaders(error)).toEqual(headers))
})

it('an abort is no failure of the work, a timeout is', () => {
  expect(isAbort(AbortSignal.abort().reason)).toBe(true)
  expect(isAbort(new DOMException('x', 'TimeoutError'))).toBe(false)
  expect(isAbort('AbortError')).toBe(false)
})

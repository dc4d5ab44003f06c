import { runInNewContext } from 'node:vm'
import { expect, it } from 'vitest'
import { asError } from '../../src/errors.ts'

it('takes what was thrown as it is when it is an Error, also one of another realm', () => {
  const errors = [new TypeError('x'), new DOMException('x', 'AbortError'), runInNewContext('new Error("x")')]
  for (const error of errors) expect(asError(error)).toBe(error)
})

it('makes an Error of anything else, with it as the cause', () => {
  expect(asError('flaky')).toMatchObject({ message: 'flaky', cause: 'flaky' })
  const bare = Object.create(null) as object
  expect(asError(bare)).toMatchObject({ message: 'an object that is no Error', cause: bare })
  expect(asError(undefined).message).toBe('undefined')
})

import { expect, it } from 'vitest'
import { inputMessage } from '../../../src/cli/input-flags.ts'
import { InputError } from '../../../src/operations/operation-error.ts'

it.each([
  ['by', '--by'],
  ['credentialsEnv', '--credentials-env'],
  ['allowedOrigins', '--allow-origin'],
  ['edit', '--file'],
  ['key', '<key>'],
])('names the input %s by its option %s', (input, flag) => {
  const error = new InputError(input, 'must be another')
  expect(error.message).toBe(`\`${input}\` must be another`)
  expect(inputMessage(error)).toBe(`${flag} must be another`)
})

import { expect, it } from 'vitest'
import { redactedFields } from '../../../../src/dead-letter/capture/redacted-fields.ts'

it.each([
  ['{"properties":{"discount_token":"[redacted]","name":"Ada"}}', ['"properties.discount_token"']],
  ['{"a":{"token":"[redacted]"},"b":[{"pin":1},{"password":"[redacted]"}]}', ['"a.token"', '"b.1.password"']],
  ['{"payload":"{\\"token\\":\\"[redacted]\\"}"}', ['"payload"']],
  ['user=ada&password=[redacted]&n=1', ['"password"']],
  ['{"a\\nb":"[redacted]"}', ['"a\\nb"']],
  ['{"name":"Ada"}', []],
  ['[redacted] and no document', []],
])('names the fields of %s', (body, fields) => {
  expect(redactedFields(Buffer.from(body))).toEqual(fields)
})

it('names five at most, and is done with a deep document in time', () => {
  const many = JSON.stringify(
    Object.fromEntries(Array.from({ length: 9 }, (_, n) => [`t${n}`, '[redacted]'])),
  )
  expect(redactedFields(Buffer.from(many))).toEqual(['"t0"', '"t1"', '"t2"', '"t3"', '"t4"'])
  const deep = '['.repeat(100_000) + '"[redacted]"' + ']'.repeat(100_000)
  expect(redactedFields(Buffer.from(deep))).toHaveLength(1)
  expect(redactedFields(undefined)).toEqual([])
})

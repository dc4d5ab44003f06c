import { expect, it } from 'vitest'
import { lastCode, summaryOf } from '../../../../../src/dead-letter/store/query/summary.ts'
import { makeRecord } from '../../../../../src/testing/contracts/records.ts'

const error = { name: 'TypeError', message: 'fetch failed' }

it.each([
  ['the status of the response', makeRecord(), '503'],
  [
    'the code of the error',
    makeRecord({ response: undefined, error: { ...error, code: 'ECONNRESET' } }),
    'ECONNRESET',
  ],
  ['the name of an error without a code', makeRecord({ response: undefined, error }), 'TypeError'],
])('an entry is looked for by %s', (_what, record, code) => {
  expect(lastCode(record)).toBe(code)
})

it('a summary holds what filters look at, and nothing else', () => {
  const record = makeRecord({ timestamp: 7, labels: { tenant: 't1' } })
  expect(summaryOf({ ...record, status: 'in-doubt' })).toEqual({
    integration: 'hubspot',
    status: 'in-doubt',
    reason: 'exhausted',
    timestamp: 7,
    origin: 'https://api.example.com',
    code: '503',
    labels: { tenant: 't1' },
  })
  const nowhere = makeRecord({ request: { url: 'no url' } })
  expect(summaryOf({ ...nowhere, status: 'pending' }).origin).toBe('')
})

import { describe, expect, it } from 'vitest'
import { missingOf, missingText } from '../../../../../src/dead-letter/replay/entry/missing.ts'
import { entry } from '../../../../support/dead-letters/replay-entries.ts'

const nothingElse = { unsendable: [], query: [] }

describe('what a call had and its replay has not', () => {
  it.each(['authorization', 'cookie', 'x-api-key', 'x-tenant'])('is %s, where nobody gives it', (name) => {
    const call = entry({ request: { omittedHeaders: [name] } })
    const missing = missingOf(call, {}, nothingElse)
    expect([...missing.credentials, ...missing.headers]).toEqual([name])
    expect(missingText(missing)).toContain(JSON.stringify(name))
    expect(missingText(missingOf(call, { [name]: 'given' }, nothingElse))).toBeUndefined()
  })

  it('is a credential that is empty, as of a variable that is not set; another header may be empty', () => {
    const call = entry({ request: { omittedHeaders: ['authorization', 'x-tenant'] } })
    expect(missingOf(call, { authorization: '', 'x-tenant': '' }, nothingElse)).toMatchObject({
      credentials: ['authorization'],
      headers: [],
    })
  })

  it('is not what belongs to an attempt: a trace', () => {
    const call = entry({ request: { omittedHeaders: ['baggage', 'x-b3-traceid'] } })
    expect(missingText(missingOf(call, {}, nothingElse))).toBeUndefined()
  })

  it.each([
    [
      { credentials: ['authorization'] },
      'the credential "authorization" of the call is never kept: give it in `credentials`, or say ' +
        "`missingHeaders: 'send'` where the dispatcher adds it",
    ],
    [
      { headers: ['x-a', 'x-b'] },
      'the headers "x-a", "x-b" were not kept: give it in `credentials`, keep it with `redact.keepHeaders`, or seal',
    ],
    [
      { query: ['sig'] },
      'the query parameter "sig" was not kept: give it in `credentials` as `query`, or seal',
    ],
  ])('is said with the ways to give it: %j', (missing, text) => {
    expect(missingText({ credentials: [], headers: [], ...nothingElse, ...missing })).toBe(text)
  })
})

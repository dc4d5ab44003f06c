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

  it.each([
    ['authorization', 'Bearer undefined'],
    ['authorization', 'Bearer null'],
    ['authorization', 'Bearer '],
    ['authorization', 'Basic '],
    ['x-api-key', 'undefined'],
  ])('is %s, where %j is given: a word for a value that was not there', (name, value) => {
    const call = entry({ request: { omittedHeaders: [name] } })
    const missing = missingOf(call, { [name]: value }, nothingElse)
    expect(missing).toMatchObject({ credentials: [name] })
    expect(missingText(missing)).toBe(
      `the credential "${name}" of the call was given with nothing in it: give it in \`credentials\`, or say ` +
        "`missingHeaders: 'send'` where the dispatcher adds it",
    )
  })

  it('is not another header that says null', () => {
    const call = entry({ request: { omittedHeaders: ['x-tenant'] } })
    expect(missingText(missingOf(call, { 'x-tenant': 'null' }, nothingElse))).toBeUndefined()
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
    expect(missingText({ credentials: [], empty: [], headers: [], ...nothingElse, ...missing })).toBe(text)
  })
})

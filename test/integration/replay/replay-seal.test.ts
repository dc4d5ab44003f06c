import { Agent } from 'undici'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { deadLetter } from '../../../src/dead-letter/interceptor.ts'
import { localDeadLetters } from '../../../src/dead-letter/local/local-dead-letters.ts'
import type { DeadLetterRecord } from '../../../src/dead-letter/record/record.ts'
import type { ReplayOptions, ReplayProgress } from '../../../src/dead-letter/replay/options.ts'
import type { DeadLetterStore } from '../../../src/dead-letter/store/store.ts'
import { replayDeadLetters } from '../../../src/replay.ts'
import { makeRecord } from '../../../src/testing/contracts/records.ts'
import { ok, type Provider, startProvider, status } from '../../support/calls/provider.ts'
import { via } from '../../support/calls/via.ts'

const seal = { current: 'k1', keys: { k1: Buffer.alloc(32, 7) } }

let provider: Provider
let agent: Agent
let store: DeadLetterStore
beforeEach(async () => {
  provider = await startProvider(status(503), ok)
  agent = new Agent()
  store = localDeadLetters()
})
afterEach(async () => {
  await agent.destroy()
  await provider.close()
})

async function replay(options: Partial<ReplayOptions> = {}): Promise<ReplayProgress[]> {
  const told: ReplayProgress[] = []
  await replayDeadLetters(store, {
    allowedOrigins: [provider.url],
    dispatcher: agent,
    credentials: () => ({ authorization: 'Bearer real' }),
    onProgress: (one) => told.push(one),
    ...options,
  })
  return told
}

/** What a stack with `seal` keeps of a call that fails. */
async function captured(init: { method: string; body?: string }): Promise<DeadLetterRecord> {
  const letters = deadLetter({ seal })
  await fetch(`${provider.url}/contacts/1`, via(agent.compose(letters), init))
  await letters.flush()
  const { items } = await letters.deadLetters.list()
  const entry = (await letters.deadLetters.get(items[0]!.id))!
  await letters.close()
  return entry
}

describe('a sealed entry', () => {
  it('is sent as it was captured', async () => {
    await store.add([await captured({ method: 'PUT', body: '{"name":"Ada"}' })])
    expect(await replay({ seal, requireSeal: true })).toMatchObject([{ outcome: 'done' }])
    expect(provider.received[1]).toMatchObject({ method: 'PUT', bytes: 14 })
  })

  it('is sealed too where it has nothing to hide: a DELETE without a body', async () => {
    await store.add([await captured({ method: 'DELETE' })])
    expect(await replay({ seal, requireSeal: true })).toMatchObject([{ outcome: 'done' }])
  })

  it.each<[string, { method?: string; path?: string; headers?: Record<string, string> }]>([
    ['a PUT that was made a DELETE', { method: 'DELETE' }],
    ['one that was sent elsewhere in the API', { path: '/contacts/2' }],
    ['one with another header', { headers: { 'x-http-method-override': 'DELETE' } }],
  ])('is not sent when somebody changed it: %s', async (_what, { method, path, headers }) => {
    const entry = await captured({ method: 'PUT', body: '{"name":"Ada"}' })
    const { request } = entry
    const url = path === undefined ? request.url : provider.url + path
    await store.add([
      {
        ...entry,
        request: { ...request, url, method: method ?? request.method, headers: headers ?? request.headers },
      },
    ])
    expect(await replay({ seal })).toMatchObject([
      { outcome: 'refused', message: expect.stringContaining('was changed') as string },
    ])
    expect(provider.received).toHaveLength(1)
  })

  it('is no longer one when its seal was cut off: `requireSeal` refuses it', async () => {
    const { sealed: _cut, ...entry } = await captured({ method: 'PUT', body: '{"name":"Ada"}' })
    const body = Buffer.from('{"name":"Eve"}')
    const { sha256 } = makeRecord({ request: { body } }).request
    const forged = { ...entry, request: { ...entry.request, method: 'POST', body, sha256 } }
    await store.add([forged, makeRecord({ request: { url: `${provider.url}/by-hand` } })])
    const why = 'it has no seal, and `requireSeal` is set'
    expect(await replay({ seal, requireSeal: true })).toMatchObject([
      { outcome: 'refused', message: why },
      { outcome: 'refused', message: why },
    ])
    expect(provider.received).toHaveLength(1)
  })
})

it('refuses `requireSeal` without the keys to look', async () => {
  await expect(replay({ requireSeal: true })).rejects.toThrow('`requireSeal` needs `seal`')
})

describe('what is missing', () => {
  it('is said all at once', async () => {
    await store.add([
      makeRecord({
        request: {
          url: `${provider.url}/?sig=[redacted]&token=[redacted]`,
          redactedQuery: ['sig', 'token'],
          headers: { accept: '*/*', 'x-greeting': 'こんにちは' },
          omittedHeaders: ['authorization', 'x-tenant', 'x-region', 'baggage'],
        },
      }),
    ])
    expect(await replay({ credentials: () => ({}) })).toMatchObject([
      {
        outcome: 'refused',
        message:
          'the credential "authorization" of the call is never kept, the headers "x-tenant", "x-region" were not kept, ' +
          'the header "x-greeting" cannot be sent as it was kept, the query parameters "sig", "token" were not kept: ' +
          'give it in `credentials` as `headers` and `query`, keep it with `redact.keepHeaders`, seal, or say ' +
          "`missingHeaders: 'send'` where the dispatcher adds it",
      },
    ])
  })

  it('uses up no replay: a header that cannot be sent as it was kept', async () => {
    const record = makeRecord({ request: { url: provider.url, headers: { 'x-greeting': 'こんにちは' } } })
    provider.replies = [ok]
    await store.add([record])
    expect(await replay()).toMatchObject([{ outcome: 'refused' }])
    expect((await store.get(record.id))!).toMatchObject({ status: 'pending', replayCount: 0 })
    const given = { credentials: () => ({ 'x-greeting': encodeURIComponent('こんにちは') }) }
    expect(await replay({ ids: [record.id], ...given })).toMatchObject([{ outcome: 'done' }])
  })
})

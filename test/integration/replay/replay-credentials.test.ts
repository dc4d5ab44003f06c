import { Agent } from 'undici'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { deadLetter } from '../../../src/dead-letter/interceptor.ts'
import { localDeadLetters } from '../../../src/dead-letter/local/local-dead-letters.ts'
import type { ReplayOptions, ReplayProgress } from '../../../src/dead-letter/replay/options.ts'
import type { DeadLetterStore } from '../../../src/dead-letter/store/store.ts'
import { editedRecord } from '../../../src/operations/entries/edit/edited-record.ts'
import { replayDeadLetter, replayDeadLetters, startReplayer } from '../../../src/replay.ts'
import { type Provider, startProvider, status } from '../../support/calls/provider.ts'
import { via } from '../../support/calls/via.ts'
import { entry } from '../../support/dead-letters/replay-entries.ts'

// a provider that hides what it has from strangers, as GitHub does
let provider: Provider
let agent: Agent
let store: DeadLetterStore
beforeEach(async () => {
  provider = await startProvider(
    status(503),
    ({ headers }, response) =>
      void response.writeHead(headers.authorization === 'Bearer new' ? 204 : 404).end(),
  )
  agent = new Agent()
  const letters = deadLetter()
  const headers = { authorization: 'Bearer old' }
  await fetch(`${provider.url}/x`, via(agent.compose(letters), { method: 'DELETE', headers }))
  await letters.flush()
  store = letters.deadLetters
})
afterEach(async () => {
  await agent.destroy()
  await provider.close()
})

const options = (more: Partial<ReplayOptions> = {}): ReplayOptions => ({
  allowedOrigins: [provider.url],
  dispatcher: agent,
  ...more,
})

async function replay(more: Partial<ReplayOptions> = {}): Promise<ReplayProgress> {
  const told: ReplayProgress[] = []
  await replayDeadLetters(store, options({ onProgress: (one) => told.push(one), ...more }))
  return told[0]!
}

const refused = {
  outcome: 'refused',
  reason: 'missing',
  message: expect.stringContaining('the credential "authorization" of the call') as string,
}

describe('a call that had a credential', () => {
  it.each([
    ['nobody gives one', {}],
    ['none is given for its origin', { credentials: () => ({}) }],
    ['another one is given', { credentials: () => ({ 'x-api-key': 'k' }) }],
    ['it is empty', { credentials: () => ({ authorization: '' }) }],
    ['its token is not there', { credentials: () => ({ authorization: 'Bearer undefined' }) }],
    ['it is only rehearsed', { dryRun: true }],
  ])('is not sent again where %s, waits, and uses up no replay', async (_what, more) => {
    expect(await replay(more)).toMatchObject(refused)
    expect(provider.received).toHaveLength(1)
    const { items } = await store.list()
    expect(items).toMatchObject([{ status: 'pending', replayCount: 0 }])
  })

  it('is sent with the one that is given anew', async () => {
    expect(await replay({ credentials: () => ({ Authorization: 'Bearer new' }) })).toMatchObject({
      outcome: 'done',
      reason: 'taken',
    })
    expect((await store.stats()).total).toBe(0)
  })

  it('is done where what it was to delete is not there for its owner', async () => {
    const credentials = (): Record<string, string> => ({ authorization: 'Bearer of the owner' })
    expect(await replay({ credentials })).toMatchObject({ outcome: 'done', reason: 'already-gone' })
  })

  it.each([
    ['without', {}],
    ['with the word for none', { credentials: () => ({ authorization: 'Bearer undefined' }) }],
  ])('is sent %s where `missingHeaders` says so: then a 404 is no proof', async (_what, more) => {
    expect(await replay({ missingHeaders: 'send', ...more })).toMatchObject({
      outcome: 'quarantined',
      statusCode: 404,
    })
    const { items } = await store.list()
    expect(items).toMatchObject([{ status: 'quarantined' }])
  })

  it('is sent with the one that its dispatcher adds, where `missingHeaders` says so', async () => {
    const signing = agent.compose((dispatch) => (callOptions, handler) => {
      const headers = { ...(callOptions.headers as object), authorization: 'Bearer new' }
      return dispatch({ ...callOptions, headers }, handler)
    })
    expect(await replay({ dispatcher: signing, missingHeaders: 'send' })).toMatchObject({ reason: 'taken' })
  })

  it('waits in the runs of `startReplayer` too', async () => {
    const replayer = startReplayer(store, options())
    expect(await replayer.run()).toMatchObject({ claimed: 1, refused: 1, sent: 0 })
    await replayer.close()
    expect(provider.received).toHaveLength(1)
  })

  it('comes back to the queue that it was taken from', async () => {
    const { items } = await store.list()
    const record = (await store.get(items[0]!.id))!
    const result = await replayDeadLetter(record, { allowedOrigins: [provider.url], dispatcher: agent })
    expect(result).toMatchObject({ ...refused, outcome: 'again', state: { replayCount: 0 } })
    expect(provider.received).toHaveLength(1)
  })
})

it('sends no `[redacted]` for a query value, though the record does not say that it was replaced', async () => {
  const kept = entry({ request: { url: `${provider.url}/x?api_key=[redacted]&n=1`, method: 'PUT' } })
  const copy = editedRecord(
    kept,
    { url: '/x?api_key=[redacted]&n=2' },
    { id: kept.id, idempotencyKey: 'key' },
  )
  store = localDeadLetters()
  await store.add([copy])
  expect(await replay()).toMatchObject({
    outcome: 'refused',
    message: expect.stringContaining('the query parameter "api_key" was not kept') as string,
  })
  for (const nothing of ['', 'undefined', 'null']) {
    const credentials = (): { query: Record<string, string> } => ({ query: { api_key: nothing } })
    expect(await replay({ ids: [copy.id], credentials }), nothing).toMatchObject({ outcome: 'refused' })
  }
  provider.replies = [status(200)]
  await replay({ ids: [copy.id], credentials: () => ({ query: { api_key: 's' } }) })
  expect(provider.received.at(-1)!.url).toBe('/x?api_key=s&n=2')
})

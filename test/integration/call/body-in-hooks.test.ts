import { Readable } from 'node:stream'
import { Agent, FormData, request } from 'undici'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type CallRequest, deadLetter, resilience, retry } from '../../../src/index.ts'
import { ok, type Provider, type Reply, reset, startProvider, status } from '../../support/calls/provider.ts'
import { via } from '../../support/calls/via.ts'

let provider: Provider

beforeAll(async () => {
  provider = await startProvider()
})
afterAll(() => provider.close())

const text = (request: CallRequest) =>
  request.body === undefined ? undefined : Buffer.from(request.body).toString()
const quick = { initialBackoffMs: 1, jitter: 'none' } as const
const onlyReads = (request: CallRequest) => text(request)?.startsWith('query') ?? false

async function* chunks(body: string) {
  for (const character of body) yield character
}

const senders: Record<string, (body: string, dispatcher: Agent) => Promise<unknown>> = {
  'fetch of a string': (body, dispatcher) => fetch(provider.url, via(dispatcher, { method: 'POST', body })),
  'request with a string': (body, dispatcher) => request(provider.url, { method: 'POST', body, dispatcher }),
  'request with bytes': (body, dispatcher) =>
    request(provider.url, { method: 'POST', body: Buffer.from(body), dispatcher }),
  'request with a stream': (body, dispatcher) =>
    request(provider.url, { method: 'POST', body: Readable.from(chunks(body)), dispatcher }),
}

it.each(Object.keys(senders))('isIdempotent sees the recorded body: %s', async (name) => {
  const send = senders[name]!
  const dispatcher = new Agent().compose(resilience({ retry: { ...quick, isIdempotent: onlyReads } }))
  for (const failure of [status(503), reset]) {
    provider.start([failure, ok])
    await send('query { name }', dispatcher as Agent)
    expect(provider.received.map(({ body }) => body.toString())).toEqual(['query { name }', 'query { name }'])
    provider.start([failure, ok])
    await send('mutation { order }', dispatcher as Agent).catch(() => undefined)
    expect(provider.received).toHaveLength(1)
  }
  await dispatcher.close()
})

it('is asked only when it decides, and not before the body was sent', async () => {
  const seen: unknown[] = []
  const isIdempotent = (request: CallRequest) => {
    seen.push(text(request))
    return true
  }
  const refusing: Reply = status(429)
  const dispatcher = new Agent().compose(retry({ ...quick, isIdempotent }))
  provider.start([refusing, status(404), ok])
  await fetch(provider.url, via(dispatcher, { method: 'POST', body: 'query' }))
  expect(seen).toEqual([])
  provider.start([refusing, status(503), status(503), ok])
  await fetch(provider.url, via(dispatcher, { method: 'POST', body: 'query' }))
  expect(seen).toEqual(['query'])
  await dispatcher.close()
})

it('a body that is not there whole is none: too large, a form, or not sent yet', async () => {
  const seen: unknown[] = []
  const hooks = {
    isIdempotent: (request: CallRequest) => {
      seen.push(text(request))
      return false
    },
  }
  const dispatcher = new Agent().compose(retry({ ...quick, ...hooks, maxBodyBytes: 3 }))
  const form = new FormData()
  form.append('name', 'Ada')
  provider.start([status(503)])
  await fetch(provider.url, via(dispatcher, { method: 'POST', body: 'query' }))
  await request(provider.url, { method: 'POST', body: form, dispatcher })
  await request(provider.url, { method: 'POST', dispatcher })
  expect(seen).toEqual([undefined, undefined, undefined])
  await dispatcher.close()
})

it('the dead letter of a call says what isIdempotent says of its body, and other hooks see it too', async () => {
  const letters = deadLetter({ orderingKey: (request) => text(request)?.slice(0, 5) ?? 'none' })
  const dispatcher = new Agent().compose(
    retry({ ...quick, maxAttempts: 2, isIdempotent: onlyReads }),
    letters,
  )
  provider.start([status(503)])
  for (const body of ['query 1', 'mutation 2']) {
    await fetch(provider.url, via(dispatcher, { method: 'POST', body }))
  }
  const { items } = await letters.deadLetters.list()
  const facts = items.map(({ orderingKey, repeatable, attempts }) => ({ orderingKey, repeatable, attempts }))
  expect(facts.sort((a, b) => b.attempts - a.attempts)).toEqual([
    { orderingKey: 'query', repeatable: true, attempts: 2 },
    { orderingKey: 'mutat', repeatable: false, attempts: 1 },
  ])
  await letters.close()
  await dispatcher.close()
})

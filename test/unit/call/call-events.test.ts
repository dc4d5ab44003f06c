import { request } from 'undici'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { resilience, withCallOptions } from '../../../src/index.ts'
import { channels } from '../../../src/telemetry/channels.ts'
import { ScriptedDispatcher } from '../../support/calls/scripted-dispatcher.ts'

const url = 'https://api.example.com/items?api_key=secret'
const four = ['callStart', 'callDone', 'attemptStart', 'attemptDone'] as const
let heard: Record<string, unknown>[]
const listeners = four.map((name) => ({
  channel: channels[name],
  listen: (event: object) => void heard.push({ on: name, ...event }),
}))

beforeEach(() => {
  heard = []
  for (const { channel, listen } of listeners) channel.subscribe(listen)
})
afterEach(() => {
  for (const { channel, listen } of listeners) channel.unsubscribe(listen)
})

async function read(body: AsyncIterable<Buffer>): Promise<void> {
  for await (const chunk of body) expect(chunk.toString()).toBe('first')
}

const about = { integration: 'shop', method: 'GET', url: 'https://api.example.com/items?api_key=[redacted]' }

it('tells the start and the end of a call and of each of its attempts, with one id', async () => {
  const server = new ScriptedDispatcher()
  let count = 0
  server.answer = (attempt) => attempt.respond(++count === 1 ? 503 : 200)
  const stack = resilience({ integration: 'shop', retry: { initialBackoffMs: 20, jitter: 'none' } })
  await withCallOptions({ labels: { order: '7' } }, () => request(url, { dispatcher: server.compose(stack) }))
  const labels = { order: '7' }
  const { id } = heard[0]!
  expect(heard).toMatchObject([
    { on: 'callStart', id, ...about, labels },
    { on: 'attemptStart', id, ...about, labels, attempt: 1 },
    { on: 'attemptDone', id, attempt: 1, outcome: 'response', statusCode: 503 },
    { on: 'attemptStart', id, attempt: 2 },
    { on: 'attemptDone', id, attempt: 2, outcome: 'response', statusCode: 200 },
    { on: 'callDone', id, ...about, outcome: 'response', statusCode: 200, attempts: 2 },
  ])
  expect(heard.every((event) => event['id'] === id)).toBe(true)
  // the wait between them is time of the call
  expect(heard.at(-1)?.['durationMs']).toBeGreaterThanOrEqual(20)
})

it('tells an error with its code, why no further attempt was made, and the id of its dead letter', async () => {
  const server = new ScriptedDispatcher()
  const error = Object.assign(new Error('reset'), { code: 'ECONNRESET' })
  server.answer = (attempt) => attempt.start().fail(error)
  const stack = resilience({ integration: 'shop', retry: { maxAttempts: 1 } })
  await expect(request(url, { dispatcher: server.compose(stack) })).rejects.toBe(error)
  const [entry] = (await stack.deadLetters.list()).items
  expect(heard.slice(2)).toMatchObject([
    { on: 'attemptDone', outcome: 'error', code: 'ECONNRESET', error },
    {
      on: 'callDone',
      outcome: 'error',
      code: 'ECONNRESET',
      attempts: 1,
      reason: 'exhausted',
      deadLetterId: entry?.id,
    },
  ])
})

it('tells a call that the circuit refused as one without attempts', async () => {
  const server = new ScriptedDispatcher()
  const stack = resilience({ integration: 'shop' })
  await stack.circuits.isolate('https://api.example.com')
  await expect(request(url, { dispatcher: server.compose(stack) })).rejects.toThrow()
  expect(heard.slice(2)).toMatchObject([
    { on: 'attemptDone', attempt: 1, outcome: 'refused', code: 'ERR_CIRCUIT_OPEN' },
    { on: 'callDone', outcome: 'error', attempts: 0, reason: 'circuit-open' },
  ])
})

it('tells a cancellation as what it is', async () => {
  const server = new ScriptedDispatcher()
  server.answer = (attempt) => attempt.start()
  const abort = new AbortController()
  const answer = request(url, { dispatcher: server.compose(resilience()), signal: abort.signal })
  abort.abort(new Error('left'))
  await expect(answer).rejects.toThrow('left')
  expect(heard.slice(2)).toMatchObject([
    { on: 'attemptDone', outcome: 'cancelled' },
    { on: 'callDone', outcome: 'cancelled' },
  ])
})

it('tells a response that the caller has whole as what it is, although the body of the request failed', async () => {
  const server = new ScriptedDispatcher()
  const broken = async function* (): AsyncGenerator<Buffer> {
    yield Buffer.from('first')
    throw new Error('disk full')
  }
  // the server does not wait for the rest
  server.answer = (attempt) => {
    attempt.start()
    void read(attempt.options.body as AsyncIterable<Buffer>).catch(() => attempt.head(200).end())
  }
  const dispatcher = server.compose(resilience())
  const { body } = await request(url, { dispatcher, method: 'PUT', body: broken() as never })
  await body.dump()
  expect(heard.slice(2)).toMatchObject([
    { on: 'attemptDone', outcome: 'response', statusCode: 200 },
    { on: 'callDone', outcome: 'response', statusCode: 200 },
  ])
})

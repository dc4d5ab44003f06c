import { Agent, type Dispatcher } from 'undici'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ResilientHttpClient } from '../../../src/client/resilient-http-client.ts'
import { resilience, type ResilienceStack } from '../../../src/resilience.ts'
import { placements } from '../../support/calls/placements.ts'
import { type Provider, startProvider, status } from '../../support/calls/provider.ts'
import { via } from '../../support/calls/via.ts'

const ages = 600_000

let provider: Provider
let agent: Agent
let stack: ResilienceStack
let dispatcher: Dispatcher
let answer: (statusCode: number) => void
const warned: [object, string][] = []
let backoffs = 0
const logger = {
  info: (_context: object, message: string) => void (backoffs += Number(message === 'retry scheduled')),
  warn: (context: object, message: string) => {
    if (message !== 'attempt failed') warned.push([context, message])
  },
  error: () => undefined,
}
const options = { logger, retry: { initialBackoffMs: ages, maxBackoffMs: ages } }
beforeEach(async () => {
  provider = await startProvider((_request, response) => {
    answer = (statusCode) => void response.writeHead(statusCode).end()
  })
  agent = new Agent()
  stack = resilience(options)
  dispatcher = agent.compose(stack)
  warned.length = backoffs = 0
})
afterEach(async () => {
  await stack.close()
  await agent.destroy()
  await provider.close()
})

/** Begins a call; it is under way when its request has arrived. */
async function begin(method: string, signal?: AbortSignal): Promise<{ ended: Promise<unknown> }> {
  const before = provider.received.length
  const init = signal === undefined ? { method } : { method, signal }
  const ended = fetch(provider.url, via(dispatcher, init)).then(
    (response) => response.status,
    (error: unknown) => error,
  )
  await expect.poll(() => provider.received.length).toBe(before + 1)
  return { ended }
}

describe.each(placements)('close with `graceMs`, %s', (_where, above) => {
  beforeEach(() => void (dispatcher = agent.compose(stack, ...above)))

  it.each([
    ['POST', 'not-repeatable'],
    ['GET', 'shutdown'],
  ])('captures a %s that is under way and fails afterwards', async (method, reason) => {
    const { ended } = await begin(method)
    const closed = stack.close({ graceMs: ages })
    answer(503)
    await closed
    expect((await stack.deadLetters.list()).items).toMatchObject([{ reason, delivery: 'responded' }])
    expect(await ended).toBe(503)
    expect(warned).toEqual([])
  })

  it('does not wait for what is over, nor for a response that is still read', async () => {
    provider.replies = [(_request, response) => void response.writeHead(200).write('first')]
    const response = await fetch(provider.url, via(dispatcher))
    await stack.close({ graceMs: ages })
    expect(warned).toEqual([])
    await response.body!.cancel()
  })

  it('ends when its time is over, and says how many calls were under way', async () => {
    await begin('POST')
    await stack.close({ graceMs: 20 })
    expect(warned).toEqual([
      [
        { calls: 1, graceMs: 20, integration: 'default' },
        'calls under way when the stack was closed: 1. What fails of them is not captured; they took longer than `graceMs`',
      ],
    ])
  })

  it('is refused by name when it is no time', async () => {
    await expect(stack.close({ graceMs: -1 })).rejects.toThrow('`graceMs` must be')
    // nothing was closed by it: a call still waits for its next attempt
    await begin('GET')
    answer(503)
    await expect.poll(() => backoffs).toBe(1)
  })

  it('is there for a client too', async () => {
    const client = new ResilientHttpClient({ ...options, baseUrl: provider.url, dispatcher: agent })
    const ended = client.request('/', { method: 'POST' }).catch((error: unknown) => error)
    await expect.poll(() => provider.received.length).toBe(1)
    const closed = client.close({ graceMs: ages })
    answer(500)
    await closed
    expect((await client.deadLetters.list()).items).toHaveLength(1)
    expect(await ended).toMatchObject({ statusCode: 500 })
  })
})

describe.each(placements)('close without it, %s', (_where, above) => {
  beforeEach(() => void (dispatcher = agent.compose(stack, ...above)))

  it('says how many calls are under way, since what fails of them is lost', async () => {
    await begin('POST')
    await begin('GET')
    await stack.close()
    await stack.close()
    expect(warned.map(([, message]) => message)).toEqual([
      'calls under way when the stack was closed: 2. What fails of them is not captured; `close({ graceMs })` waits for them',
    ])
  })

  it('says nothing of calls that succeeded, failed, or were aborted, in hand or in a wait', async () => {
    const first = await begin('GET')
    answer(200)
    await first.ended
    const second = await begin('POST')
    answer(500)
    await second.ended
    const inHand = new AbortController()
    const third = await begin('GET', inHand.signal)
    inHand.abort()
    await third.ended
    provider.start([status(503)])
    const waiting = new AbortController()
    const fourth = await begin('GET', waiting.signal)
    await expect.poll(() => backoffs).toBe(1)
    waiting.abort()
    await fourth.ended
    await stack.close()
    expect(warned).toEqual([])
  })
})

it('tells the process of them before `close` is done, so that an exit right after it swallows no warning', async () => {
  const told: string[] = []
  const note = (warning: Error): void => void told.push(warning.message)
  process.on('warning', note)
  const silent = resilience({ retry: false })
  dispatcher = agent.compose(silent)
  const { ended } = await begin('PUT')
  await silent.close()
  const toldAtTheEnd = [...told]
  process.off('warning', note)
  answer(200)
  await ended
  expect(toldAtTheEnd).toEqual([expect.stringContaining('calls under way when the stack was closed: 1')])
})

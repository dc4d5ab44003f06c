import { gzipSync } from 'node:zlib'
import { Agent, request } from 'undici'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  channels,
  resilience,
  ResilientHttpClient,
  type Logger,
  type RedactOptions,
} from '../../../src/index.ts'
import { ok, type Provider, startProvider, status } from '../../support/calls/provider.ts'

const SECRET = 's3cr3t-value'
let provider: Provider

beforeEach(async () => {
  provider = await startProvider()
})
afterEach(() => provider.close())

/** All that a call tells anybody, as text: record, logs, events, and the error that a client makes of it. */
async function told(path: string, redact: RedactOptions): Promise<Record<string, string>> {
  const lines: unknown[] = []
  const log = (context: object, message: string): void => void lines.push([message, plain(context)])
  const logger: Logger = { info: log, warn: log, error: log }
  const events: unknown[] = []
  const listen = (event: object, name: string | symbol): void =>
    void events.push([String(name), plain(event)])
  const all = Object.values(channels)
  for (const channel of all) channel.subscribe(listen)
  provider.start([status(503), status(503), ok])
  const client = new ResilientHttpClient({
    integration: 'crm',
    baseUrl: provider.url,
    logger,
    retry: { maxAttempts: 2, initialBackoffMs: 1 },
    deadLetter: { redact },
  })
  try {
    const error = await client.request(path).then(() => undefined, plain)
    const [item] = (await client.deadLetters.list()).items
    const record = await client.deadLetters.get(item!.id)
    return {
      record: JSON.stringify(record),
      logs: JSON.stringify(lines),
      events: JSON.stringify(events),
      error: JSON.stringify(error),
    }
  } finally {
    for (const channel of all) channel.unsubscribe(listen)
    await client.close()
  }
}

/** With what of errors is not enumerable. */
function plain(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_, one: unknown) =>
      one instanceof Error ? { ...one, message: one.message, stack: one.stack, cause: one.cause } : one,
    ),
  ) as unknown
}

describe('what is redacted', () => {
  it.each<[string, string, RedactOptions]>([
    ['a query parameter that is known', `/x?access_key=${SECRET}`, {}],
    ['a matrix parameter that is known', `/x;token=${SECRET}`, {}],
    ['a bot token', `/bot12345:${SECRET}/send`, {}],
    ['a parameter of the user', `/x?pin=${SECRET}`, { query: ['PIN'] }],
    ['a segment of the user', `/hooks/${SECRET}/run`, { path: ['/hooks/:token'] }],
    ['an expression of the user', `/v1/h-${SECRET}`, { path: [/\/h-([^/]+)/] }],
    ['a function of the user', `/v1/${SECRET}`, { path: (path) => path.replace(SECRET, 'gone') }],
    [
      'a function that throws',
      `/v1/${SECRET}`,
      {
        path: () => {
          throw new Error('broken')
        },
      },
    ],
  ])('%s: in record, logs, events and errors alike', async (_what, path, redact) => {
    for (const [where, text] of Object.entries(await told(path, redact))) {
      expect(text, where).not.toContain(SECRET)
      expect(text.length, where).toBeGreaterThan(100)
    }
    expect(provider.received[0]!.url).toBe(path)
  })
})

describe('a record whose path was redacted', () => {
  const send = async (redact: RedactOptions, seal: boolean) => {
    provider.start([status(503)])
    const keys = { current: 'k', keys: { k: Buffer.alloc(32, 7).toString('hex') } }
    const stack = resilience({ retry: false, deadLetter: { redact, ...(seal ? { seal: keys } : {}) } })
    const dispatcher = new Agent().compose(stack)
    await (await request(`${provider.url}/bot1:${SECRET}/send`, { dispatcher })).body.dump()
    const { items } = await stack.deadLetters.list()
    const letter = await stack.deadLetters.get(items[0]!.id)
    await stack.close()
    await dispatcher.close()
    return letter!
  }

  it('is not replayable, unless it is sealed or told to keep paths', async () => {
    const open = await send({}, false)
    expect(open).toMatchObject({
      replayable: false,
      notReplayableReason: 'path-redacted',
      status: 'quarantined',
    })
    expect(open.request.url).toBe(`${provider.url}/bot[redacted]/send`)
    const sealed = await send({}, true)
    expect(sealed.request.url).toBe(`${provider.url}/bot[redacted]/send`)
    expect(sealed.replayable).toBe(true)
    expect(await send({ path: false }, false)).toMatchObject({
      replayable: true,
      request: { url: `${provider.url}/bot1:${SECRET}/send` },
    })
  })
})

it('shows what a compressed answer said', async () => {
  provider.start([
    (_request, response) =>
      void response
        .writeHead(503, { 'content-type': 'application/json', 'content-encoding': 'gzip' })
        .end(gzipSync(`{"error":"down for maintenance","token":"${SECRET}"}`)),
  ])
  const stack = resilience({ retry: false })
  const dispatcher = new Agent().compose(stack)
  await (await request(provider.url, { dispatcher })).body.dump()
  const { items } = await stack.deadLetters.list()
  const letter = await stack.deadLetters.get(items[0]!.id)
  expect(letter!.response!.body).toBe('{"error":"down for maintenance","token":"[redacted]"}')
  await stack.close()
  await dispatcher.close()
})

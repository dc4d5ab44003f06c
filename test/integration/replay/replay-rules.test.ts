import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { Agent, interceptors } from 'undici'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { localDeadLetters } from '../../../src/dead-letter/local/local-dead-letters.ts'
import type { DeadLetterRecord } from '../../../src/dead-letter/record/record.ts'
import type { ReplayOptions, ReplayProgress } from '../../../src/dead-letter/replay/options.ts'
import type { ReplaySummary } from '../../../src/dead-letter/replay/summary.ts'
import type { DeadLetterStore } from '../../../src/dead-letter/store/store.ts'
import type { Verdict } from '../../../src/http/outcome.ts'
import { type ReplayClassifyOptions, replayDeadLetters, startReplayer } from '../../../src/replay.ts'
import { resilience } from '../../../src/resilience.ts'
import { channels } from '../../../src/telemetry/channels.ts'
import { makeRecord, type RecordChanges } from '../../../src/testing/contracts/records.ts'
import {
  ok,
  type Provider,
  type Reply,
  silence,
  startProvider,
  status,
} from '../../support/calls/provider.ts'
import { via } from '../../support/calls/via.ts'

let provider: Provider
let other: Provider
let agent: Agent
let store: DeadLetterStore
let told: ReplayProgress[]
beforeEach(async () => {
  ;[provider, other] = await Promise.all([startProvider(ok), startProvider(ok)])
  agent = new Agent()
  store = localDeadLetters()
  told = []
})
afterEach(async () => {
  await agent.destroy()
  await Promise.all([provider.close(), other.close()])
})

function letter(changes: RecordChanges = {}, of = provider): DeadLetterRecord {
  return makeRecord({ ...changes, request: { url: `${of.url}/contacts/1`, ...changes.request } })
}

function letters(count: number, of = provider): DeadLetterRecord[] {
  return Array.from({ length: count }, () => letter({}, of))
}

function replay(options: Partial<ReplayOptions & ReplayClassifyOptions> = {}): Promise<ReplaySummary> {
  return replayDeadLetters(store, {
    allowedOrigins: [provider.url, other.url],
    dispatcher: agent,
    ratePerSecond: Infinity,
    onProgress: (one) => told.push(one),
    ...options,
  })
}

describe('a refusal inside a 200', () => {
  const refusal = status(200, { 'content-type': 'application/json' }, '{"errors":[{"code":"BUSY"}]}')
  const classify: ReplayClassifyOptions['classify'] = ({ body }): Verdict | undefined =>
    body?.includes('"errors"') === true ? { kind: 'transient', code: 'BUSY' } : undefined
  const judged = { classify, inspectBody: { statusCodes: [200] } }

  it('is captured and not taken for done, by the `classify` of the dispatcher', async () => {
    provider.replies = [refusal]
    const stack = resilience({ ...judged, retry: { maxAttempts: 1 } })
    const dispatcher = agent.compose(stack)
    await fetch(provider.url, via(dispatcher, { method: 'PUT', body: 'x' }))
    store = stack.deadLetters
    expect(await replay({ dispatcher })).toMatchObject({ sent: 1, failed: 1, done: 0 })
    expect(told).toMatchObject([{ outcome: 'failed', reason: 'failed', message: 'answered 200 (BUSY)' }])
    const { items } = await store.list()
    expect(items).toMatchObject([{ replayCount: 1 }])
    provider.replies = [ok]
    expect(await replay({ dispatcher, ids: [items[0]!.id] })).toMatchObject({ done: 1 })
    await stack.close()
  })

  it('nor by that of the replay, for a dispatcher that has none', async () => {
    provider.replies = [refusal]
    await store.add([letter()])
    expect(await replay(judged)).toMatchObject({ sent: 1, failed: 1, done: 0 })
    expect((await store.stats()).total).toBe(1)
  })

  it('nor by that of the dispatcher, where that of the replay has nothing to say', async () => {
    provider.replies = [refusal]
    await store.add([letter()])
    const stack = resilience(judged)
    expect(await replay({ dispatcher: agent.compose(stack), classify: () => undefined })).toMatchObject({
      failed: 1,
    })
    await stack.close()
  })

  it.each([
    [{ inspectBody: { statusCodes: [200] } }, '`inspectBody` needs `classify`'],
    [{ classify: 'status' }, '`classify` must be a function'],
    [{ classify: async () => undefined }, '`classify` must answer at once, got an async function'],
  ])('needs options that make sense: %j', async (options, message) => {
    await expect(replay(options as never)).rejects.toThrow(message)
    expect(() => startReplayer(store, { allowedOrigins: [provider.url], ...(options as object) })).toThrow(
      message,
    )
  })
})

it("takes an error that stands for an answer for the answer: undici's responseError()", async () => {
  provider.replies = [status(429, { 'retry-after': '60' })]
  await store.add([letter()])
  expect(await replay({ dispatcher: agent.compose(interceptors.responseError()) })).toMatchObject({
    later: 1,
    leftAlone: [{ origin: provider.url, reason: 'rate-limited' }],
  })
  expect(told).toMatchObject([{ statusCode: 429 }])
})

describe('an origin that is down', () => {
  it('is asked three times in a row, then left alone; nothing is used up, and the summary says why', async () => {
    provider.replies = [status(503)]
    await store.add(letters(20))
    const summary = await replay({ concurrency: 1 })
    expect(summary).toMatchObject({ sent: 3, failed: 0, quarantined: 0 })
    expect(summary.leftAlone).toMatchObject([
      { origin: provider.url, reason: 'outage', message: 'answered 503' },
    ])
    expect(summary.leftAlone[0]!.afterMs).toBeGreaterThan(10_000)
    for (const { outcome, reason, message } of told) {
      expect([outcome, reason]).toEqual(['later', 'outage'])
      expect(message).toContain('503')
    }
    expect((await store.list()).items.every(({ replayCount }) => replayCount === 0)).toBe(true)
  })

  it('is asked once by the next run, which a person starts when it likes; once it answers all go', async () => {
    provider.replies = [status(503)]
    await store.add(letters(20))
    await replay()
    const before = provider.received.length
    await replay()
    expect(provider.received.length).toBe(before + 1)
    provider.replies = [ok]
    expect((await replay()).done).toBeGreaterThan(10)
  })

  it('holds up no other: one that is silent, neither', async () => {
    provider.replies = [silence]
    await store.add([...letters(20), ...letters(20, other)])
    const began = performance.now()
    const summary = await replay({ leaseMs: 10_000, timeoutMs: 3_000, concurrency: 2 })
    const last = other.received.at(-1)!.at - began
    expect(other.received).toHaveLength(20)
    expect(last).toBeLessThan(2_500)
    expect(summary).toMatchObject({ done: 20, quarantined: 0, leftAlone: [{ reason: 'outage' }] })
  })
})

it.each([401, 403])('ends the turn of an origin at the first %i, and uses up nothing', async (code) => {
  provider.replies = [status(code)]
  await store.add([...letters(20), ...letters(5, other)])
  expect(await replay({ concurrency: 1, maxReplays: 1 })).toMatchObject({
    sent: 6,
    done: 5,
    later: 1,
    failed: 0,
    quarantined: 0,
    leftAlone: [{ origin: provider.url, reason: 'credentials' }],
  })
  expect(provider.received).toHaveLength(1)
  provider.replies = [ok]
  expect((await replay()).done).toBe(19)
})

describe('a wait that a provider asks for', () => {
  it('is given back with all that is due, exactly as long, and the others go on', async () => {
    provider.replies = [status(429, { 'retry-after': '60' })]
    await store.add([...letters(20), ...letters(20, other)])
    const summary = await replay({ concurrency: 1 })
    const asked = Date.now()
    expect(summary).toMatchObject({ sent: 21, done: 20, later: 20 })
    expect(provider.received).toHaveLength(1)
    for (const { dueAt } of (await store.list()).items) {
      expect(dueAt - asked).toBeGreaterThan(58_000)
      expect(dueAt - asked).toBeLessThanOrEqual(60_001)
    }
  })

  it('holds for what is captured meanwhile, too, whoever starts a run', async () => {
    provider.replies = [status(429, { 'retry-after': '3' }), ok]
    await store.add([letter()])
    await replay()
    await store.add(letters(3))
    expect(await replay()).toMatchObject({ sent: 0, later: 3 })
    await expect.poll(async () => (await replay()).done, { interval: 20 }).toBe(4)
    expect(provider.received[1]!.at - provider.received[0]!.at).toBeGreaterThanOrEqual(3_000)
  })

  it('holds where live traffic has heard of it: a replay waits in no line for longer than it has time', async () => {
    provider.replies = [status(429, { 'retry-after': '60' }), ok]
    const stack = resilience({ retry: { maxAttempts: 1 } })
    const dispatcher = agent.compose(stack)
    await fetch(provider.url, via(dispatcher, { method: 'PUT', body: 'x' }))
    store = stack.deadLetters
    await store.add(letters(6))
    const began = performance.now()
    const summary = await replay({ dispatcher, timeoutMs: 5000 })
    expect(performance.now() - began).toBeLessThan(4_500)
    expect(summary).toMatchObject({ sent: 0, later: 6, leftAlone: [{ reason: 'rate-limited' }] })
    expect(summary.leftAlone[0]!.afterMs).toBeGreaterThan(55_000)
    for (const { dueAt } of (await store.list()).items) expect(dueAt - Date.now()).toBeGreaterThan(55_000)
    expect(provider.received).toHaveLength(1)
    await stack.close()
  })

  it('is sat out by a run that gets on: a limit of so many per second', async () => {
    let count = 0
    const limited: Reply = (...exchange) =>
      ++count % 5 === 0 ? status(429, { 'retry-after-ms': '50' })(...exchange) : ok(...exchange)
    provider.replies = [limited]
    await store.add(letters(12))
    expect(await replay({ concurrency: 1 })).toMatchObject({ done: 12 })
  })
})

describe('a DELETE', () => {
  it('of what is not there any more is done', async () => {
    const gone = { request: { method: 'DELETE', body: undefined, bytes: 0 } }
    await store.add([letter({ ...gone, orderingKey: 'o' }), letter({ orderingKey: 'o' })])
    provider.replies = [status(404), ok]
    expect(await replay({ concurrency: 1 })).toMatchObject({ done: 2 })
    expect(told[0]).toMatchObject({ outcome: 'done', reason: 'already-gone', statusCode: 404 })
  })
})

describe('`decide`', () => {
  it('is asked just before an entry is sent, and says what becomes of it', async () => {
    const [stale, unsure, good] = ['stale', 'unsure', 'good'].map((what) => letter({ labels: { what } }))
    await store.add([stale!, unsure!, good!])
    const summary = await replay({
      concurrency: 1,
      decide: async ({ labels, request }) => {
        expect(request.body).toBeDefined()
        await Promise.resolve()
        return ({ stale: 'discard', unsure: 'hold', good: 'send' } as const)[labels!['what'] as 'good']
      },
    })
    expect(summary).toMatchObject({ sent: 1, done: 1, discarded: 1, inDoubt: 1 })
    expect(provider.received).toHaveLength(1)
    expect(await store.get(stale!.id)).toBeUndefined()
    expect((await store.add([stale!])).settled).toEqual([stale!.id])
    expect(await store.get(unsure!.id)).toMatchObject({ status: 'in-doubt', note: 'held by `decide`' })
    expect(told.map(({ outcome, reason }) => [outcome, reason])).toEqual([
      ['discarded', 'discarded'],
      ['in-doubt', 'decided'],
      ['done', 'taken'],
    ])
  })

  it('has its entry wait when it throws or says nonsense, and the others go on', async () => {
    await store.add([
      letter({ integration: 'a' }),
      letter({ integration: 'b' }),
      letter({ integration: 'c' }),
    ])
    const summary = await replay({
      decide: ({ integration }) => {
        if (integration === 'a') throw new Error('the database is away')
        return integration === 'b' ? ('yes' as never) : 'send'
      },
    })
    expect(summary).toMatchObject({ refused: 2, done: 1, inDoubt: 0 })
    expect(told.map(({ message }) => message).sort()).toEqual([
      '`decide` must answer send, discard or hold, got "yes"',
      '`decide` threw: the database is away',
      undefined,
    ])
  })

  it('is asked in a dry run too, which says what the run then does, and publishes nothing', async () => {
    await store.add(['stale', 'unsure', 'lost', 'good'].map((integration) => letter({ integration })))
    const decide: ReplayOptions['decide'] = ({ integration }) => {
      if (integration === 'lost') throw new Error('the database is away')
      return ({ stale: 'discard', unsure: 'hold', good: 'send' } as const)[integration as 'good']
    }
    const published: unknown[] = []
    const listen = (event: unknown): number => published.push(event)
    channels.replayed.subscribe(listen)
    try {
      const before = JSON.stringify(await store.list())
      const rehearsed = await replay({ decide, dryRun: true })
      const expected = [
        ['good', 'would-send', undefined],
        ['lost', 'refused', 'missing'],
        ['stale', 'discarded', 'discarded'],
        ['unsure', 'in-doubt', 'decided'],
      ]
      expect(told.map(({ integration, outcome, reason }) => [integration, outcome, reason]).sort()).toEqual(
        expected,
      )
      expect(JSON.stringify(await store.list())).toBe(before)
      expect(published).toEqual([])
      told.length = 0
      const done = await replay({ decide })
      expect(told.map(({ integration, outcome, reason }) => [integration, outcome, reason]).sort()).toEqual([
        ['good', 'done', 'taken'],
        ...expected.slice(1),
      ])
      const { discarded, inDoubt, refused, claimed } = rehearsed
      expect(done).toMatchObject({ discarded, inDoubt, refused, claimed })
      expect(published).toHaveLength(4)
    } finally {
      channels.replayed.unsubscribe(listen)
    }
  })

  it('is not asked of what could not be sent anyway', async () => {
    await store.add([letter({ delivery: 'unknown', request: { method: 'POST' } })])
    const asked: string[] = []
    await replay({ decide: ({ id }) => (asked.push(id), 'send') })
    expect(asked).toEqual([])
  })
})

describe('the log', () => {
  it('warns of what needs a person, and says why in a sentence', async () => {
    await store.add([letter({ request: { omittedHeaders: ['x-tenant'] } }), letter({ integration: 'good' })])
    const lines: Record<string, unknown>[] = []
    const log =
      (level: string) =>
      (fields: object, message: string): unknown =>
        lines.push({ level, message, ...fields })
    await replay({ logger: { info: log('info'), warn: log('warn'), error: log('error') } })
    const of = (level: string): unknown => lines.find((line) => line['level'] === level)
    expect(of('warn')).toMatchObject({
      message: 'dead letter replayed: refused',
      reason: 'missing',
      why: expect.stringContaining('the header "x-tenant" was not kept: give it in `credentials`') as string,
    })
    expect(of('info')).toMatchObject({ message: 'dead letter replayed: done', integration: 'good' })
  })
})

describe('an allowed origin that is mistyped', () => {
  it('is told from nothing to do: how many due entries belong to which other origins', async () => {
    await store.add([...letters(3), letter({ notBefore: Date.now() + 60_000 }), ...letters(2, other)])
    const typo = provider.url.replace('127.0.0.1', '127.0.0.2')
    expect(await replay({ allowedOrigins: [typo] })).toMatchObject({
      claimed: 0,
      otherOrigins: { [provider.url]: 3, [other.url]: 2 },
    })
    expect(await replay({ allowedOrigins: [typo], dryRun: true })).toMatchObject({
      otherOrigins: { [provider.url]: 3 },
    })
    expect(
      (await replay({ allowedOrigins: [provider.url], filter: { origin: provider.url } })).otherOrigins,
    ).toEqual({})
  })

  it('is told once by a replayer', async () => {
    await store.add(letters(3))
    const warned: object[] = []
    const replayer = startReplayer(store, {
      allowedOrigins: [other.url],
      dispatcher: agent,
      logger: { info: () => undefined, warn: (context) => warned.push(context), error: () => undefined },
    })
    await replayer.run()
    expect(replayer.lastRun).toMatchObject({ otherOrigins: { [provider.url]: 3 } })
    await replayer.run()
    await replayer.close()
    expect(warned).toMatchObject([{ origins: { [provider.url]: 3 } }])
  })

  it('is told by a replayer without a logger as a warning of the process', async () => {
    await store.add(letters(3))
    const warned = once(process, 'warning')
    const replayer = startReplayer(store, { allowedOrigins: [other.url], dispatcher: agent })
    await replayer.run()
    await replayer.close()
    expect(String((await warned)[0])).toContain(
      `due dead letters are for ${provider.url}, not in \`allowedOrigins\`: they are never sent`,
    )
  })
})

it('takes an answer that came while the process stood still, though its time is over', async () => {
  const server = new Worker(
    `const { createServer } = require('node:http')
     const { parentPort } = require('node:worker_threads')
     const server = createServer((request, response) => request.resume().on('end', () => setTimeout(() => response.end(), 150)))
     server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port))`,
    { eval: true },
  )
  const port = await new Promise<number>((resolve) => server.once('message', resolve))
  const url = `http://127.0.0.1:${port}`
  await store.add([letter({ request: { url } })])
  const standStill = (): void => {
    // once the request is out, and past the poll phase: timers are what comes next
    setTimeout(
      () =>
        setImmediate(() => {
          for (const until = performance.now() + 600; performance.now() < until;);
        }),
      50,
    )
  }
  subscribe('undici:client:sendHeaders', standStill)
  try {
    const options = { allowedOrigins: [url], timeoutMs: 300, leaseMs: 60_000 }
    expect(await replay(options)).toMatchObject({ sent: 1, done: 1, later: 0 })
  } finally {
    unsubscribe('undici:client:sendHeaders', standStill)
    await server.terminate()
  }
})

it('counts as sent only what has left', async () => {
  await store.add(letters(3))
  await provider.close()
  expect(await replay({ concurrency: 1 })).toMatchObject({ sent: 0, later: 3 })
  expect(told).toMatchObject(
    Array(3).fill({ outcome: 'later', reason: 'outage', message: 'not reached: ECONNREFUSED' }),
  )
})

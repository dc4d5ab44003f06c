import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, buildConnector, interceptors, type Dispatcher } from 'undici'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { deadLetter } from '../../../src/dead-letter/interceptor.ts'
import { localDeadLetters } from '../../../src/dead-letter/local/local-dead-letters.ts'
import { DeadLetterFormatError } from '../../../src/dead-letter/record/json.ts'
import type { DeadLetterRecord } from '../../../src/dead-letter/record/record.ts'
import type { ReplayDecision } from '../../../src/dead-letter/replay/entry/prepare.ts'
import type { ReplayOptions, ReplayProgress } from '../../../src/dead-letter/replay/options.ts'
import type { ReplaySummary } from '../../../src/dead-letter/replay/summary.ts'
import type { DeadLetterStore } from '../../../src/dead-letter/store/store.ts'
import { replayDeadLetters, startReplayer } from '../../../src/replay.ts'
import { resilience, type ResilienceOptions } from '../../../src/resilience.ts'
import { memoryStore } from '../../../src/stores/memory/memory-store.ts'
import { sqliteStore } from '../../../src/stores/sqlite/sqlite-store.ts'
import { makeRecord, type RecordChanges } from '../../../src/testing/contracts/records.ts'
import { withCallOptions } from '../../../src/with-call-options.ts'
import {
  ok,
  type Provider,
  type Reply,
  reset,
  sha256,
  silence,
  startProvider,
  status,
} from '../../support/calls/provider.ts'
import { via } from '../../support/calls/via.ts'

let provider: Provider
let agent: Agent
let store: DeadLetterStore
beforeEach(async () => {
  provider = await startProvider(ok)
  agent = new Agent()
  store = localDeadLetters()
})
afterEach(async () => {
  await agent.destroy()
  await provider.close()
})

function letter(changes: RecordChanges = {}): DeadLetterRecord {
  return makeRecord({ ...changes, request: { url: `${provider.url}/contacts/1`, ...changes.request } })
}

function replay(options: Partial<ReplayOptions> = {}): ReturnType<typeof replayDeadLetters> {
  return replayDeadLetters(store, {
    allowedOrigins: [provider.url],
    dispatcher: agent,
    ratePerSecond: Infinity,
    ...options,
  })
}

/** Has something happen between an answer of the provider and its settlement in the store. */
function beforeSettling(happens: () => void | Promise<void>): void {
  const settle = store.settle.bind(store)
  store.settle = async (...args) => {
    await happens()
    return settle(...args)
  }
}

describe('replayDeadLetters', () => {
  it('sends nothing when the process stood still until its lease was over, though a connection waits', async () => {
    await store.add([letter({ request: { method: 'PUT' } })])
    const connect = buildConnector({})
    const standsStill = new Agent({
      connect: (options, callback) =>
        connect(options, (...connected) => {
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 800)
          callback(...connected)
        }),
    })
    const summary = await replay({ dispatcher: standsStill, timeoutMs: 500, leaseMs: 1_000, limit: 1 })
    await standsStill.close()
    expect(provider.received).toEqual([])
    expect(summary.done).toBe(0)
    expect((await store.stats()).byStatus).toMatchObject({ quarantined: 0, 'in-doubt': 0 })
  })

  it('sends what was captured byte for byte, with credentials, the same key, and removes it', async () => {
    provider.replies = [status(503), ok]
    const letters = deadLetter({ redact: { keepHeaders: ['X-Tenant'] } })
    const body = Buffer.from([0, 1, 2, 255, 254, 13, 10])
    await withCallOptions({ idempotencyKey: 'key-1' }, () =>
      fetch(
        `${provider.url}/orders?api_key=secret&n=1`,
        via(agent.compose(letters), {
          method: 'POST',
          body,
          headers: {
            authorization: 'Bearer old',
            'x-tenant': 'acme',
            'content-type': 'application/octet-stream',
          },
        }),
      ),
    )
    await letters.flush()
    store = letters.deadLetters
    const asked: string[] = []
    const summary = await replay({
      credentials: (record) => {
        asked.push(record.request.url)
        return { headers: { Authorization: 'Bearer new' }, query: { api_key: 'n&w' } }
      },
    })
    expect(summary).toMatchObject({ claimed: 1, sent: 1, done: 1, failed: 0, cancelled: false })
    const [first, second] = provider.received
    expect(second!.sha256).toBe(first!.sha256)
    expect(second).toMatchObject({ method: 'POST', url: '/orders?api_key=n%26w&n=1' })
    expect(second!.headers).toMatchObject({
      authorization: 'Bearer new',
      'x-tenant': 'acme',
      'idempotency-key': 'key-1',
      'content-type': 'application/octet-stream',
      'content-length': '7',
      host: `127.0.0.1:${provider.port}`,
    })
    expect(first!.headers['idempotency-key']).toBe('key-1')
    expect(asked).toEqual([`${provider.url}/orders?api_key=[redacted]&n=1`])
    expect((await store.stats()).total).toBe(0)
    await letters.close()
  })

  it('sends sealed entries whole: body, query and further headers', async () => {
    provider.replies = [status(503), ok]
    const seal = { current: 'k2', keys: { k1: 'a'.repeat(64), k2: Buffer.alloc(32, 7) } }
    const letters = deadLetter({ seal })
    const body = JSON.stringify({ user: 'ada', password: 'hunter2' })
    const dispatcher = agent.compose(letters)
    await fetch(
      `${provider.url}/users?token=abc`,
      via(dispatcher, { method: 'POST', body, headers: { 'x-tenant': 'acme', authorization: 'Bearer s' } }),
    )
    await letters.flush()
    store = letters.deadLetters
    const id = (await store.list()).items[0]!.id
    const entry = (await store.get(id))!
    expect(entry).toMatchObject({
      replayable: true,
      request: { bodyRedacted: true },
      sealed: { keyId: 'k2' },
    })
    for (const secret of ['hunter2', 'acme', 'abc']) {
      expect(Buffer.from(entry.sealed!.data!).includes(secret)).toBe(false)
    }
    expect(await replay()).toMatchObject({ refused: 1, sent: 0 })
    expect(await replay({ ids: [id], seal: { current: 'k1', keys: { k1: 'a'.repeat(64) } } })).toMatchObject({
      refused: 1,
      sent: 0,
    })
    expect(await replay({ ids: [id], seal, missingHeaders: 'send' })).toMatchObject({ done: 1 })
    expect(provider.received[1]).toMatchObject({ url: '/users?token=abc', sha256: sha256(body) })
    expect(provider.received[1]!.headers['x-tenant']).toBe('acme')
    expect(provider.received[1]!.headers.authorization).toBeUndefined()
    await letters.close()
  })

  it('does not send a redacted body', async () => {
    provider.replies = [status(503), ok]
    const letters = deadLetter()
    await fetch(provider.url, via(agent.compose(letters), { method: 'PUT', body: '{"password":"hunter2"}' }))
    await letters.flush()
    store = letters.deadLetters
    const [entry] = (await store.list()).items
    expect(entry).toMatchObject({ replayable: false, notReplayableReason: 'body-redacted' })
    expect(Buffer.from((await store.get(entry!.id))!.request.body!).toString()).toBe(
      '{"password":"[redacted]"}',
    )
    expect(await replay()).toMatchObject({ claimed: 0 })
    expect(await replay({ ids: [entry!.id] })).toMatchObject({ claimed: 0 })
    expect(provider.received).toHaveLength(1)
    await letters.close()
  })

  it('waits for a header or a query value that was not kept, and says which', async () => {
    const header = letter({ request: { omittedHeaders: ['authorization', 'x-tenant'] } })
    const query = letter({
      request: { url: `${provider.url}/?p=1;sig=[redacted]`, redactedQuery: ['sig'] },
    })
    await store.add([header, query])
    const told: ReplayProgress[] = []
    expect(await replay({ onProgress: (one) => told.push(one) })).toMatchObject({ refused: 2, sent: 0 })
    expect(told.map((one) => one.message).sort()).toEqual([
      expect.stringContaining('the header "x-tenant" was not kept'),
      expect.stringContaining('the query parameter "sig" was not kept'),
    ])
    const ids = [header.id, query.id]
    const headers = { 'X-Tenant': 'a', Authorization: 'Bearer new' }
    expect(await replay({ ids, credentials: () => ({ headers, query: { sig: '1' } }) })).toMatchObject({
      done: 2,
    })
    expect(provider.received.map(({ url }) => url)).toContain('/?p=1;sig=1')
  })

  it('goes on without headers when told to', async () => {
    await store.add([letter({ request: { omittedHeaders: ['x-tenant'] } })])
    expect(await replay({ missingHeaders: 'send' })).toMatchObject({ done: 1 })
  })

  it('fails an entry again with a growing wait, and quarantines it after maxReplays', async () => {
    provider.replies = [status(408)]
    const record = letter()
    await store.add([record])
    const options = { maxReplays: 3, initialBackoffMs: 0, maxBackoffMs: 0 }
    expect(await replay(options)).toMatchObject({ sent: 3, failed: 2, quarantined: 1 })
    const entry = (await store.get(record.id))!
    expect(entry).toMatchObject({ status: 'quarantined', replayCount: 3 })
    expect(entry.replays).toMatchObject([{ outcome: 'failed', statusCode: 408 }, {}, {}])
    expect(await replay(options)).toMatchObject({ claimed: 0 })
    provider.replies = [ok]
    expect(await replay({ ids: [record.id] })).toMatchObject({ done: 1 })
  })

  it('quarantines what the server refuses for good, and what it would redirect', async () => {
    const records = [letter({ timestamp: 1 }), letter({ timestamp: 2 })]
    await store.add(records)
    provider.replies = [status(422), status(302, { location: 'http://127.0.0.1:1/' })]
    expect(await replay({ concurrency: 1 })).toMatchObject({ sent: 2, quarantined: 2 })
    expect((await store.get(records[1]!.id))!.note).toContain('302')
  })

  it('follows no redirect, though the dispatcher would', async () => {
    let stolen = 0
    const thief = createServer((request, response) => {
      stolen++
      expect(request.headers['x-api-key']).toBeUndefined()
      response.end()
    })
    await new Promise<void>((resolve) => thief.listen(0, '127.0.0.1', resolve))
    provider.replies = [
      status(307, { location: `http://127.0.0.1:${(thief.address() as AddressInfo).port}/` }),
    ]
    await store.add([letter()])
    const dispatcher = agent.compose(interceptors.redirect({ maxRedirections: 5 }))
    expect(await replay({ dispatcher, credentials: () => ({ 'x-api-key': 's' }) })).toMatchObject({
      quarantined: 1,
    })
    expect(stolen).toBe(0)
    thief.close()
  })

  it.each([408, 502, 504, 520, 524])(
    'books once what the server has booked though a gateway answered %i',
    async (statusCode) => {
      provider.replies = [status(statusCode), ok]
      const stack = resilience({ store: memoryStore() })
      store = stack.deadLetters
      await fetch(provider.url, via(agent.compose(stack), { method: 'POST', body: 'seat 7' }))
      expect(await replay()).toMatchObject({ sent: 0, inDoubt: 1 })
      expect(provider.received).toHaveLength(1)
    },
  )

  it('holds what may have arrived and could arrive twice', async () => {
    const post = (changes: RecordChanges): DeadLetterRecord =>
      letter({ delivery: 'unknown', ...changes, request: { method: 'POST' } })
    const risky = post({})
    await store.add([risky, post({ idempotencyKey: 'k' }), post({ delivery: 'not-sent' })])
    expect(await replay()).toMatchObject({ sent: 2, done: 2, inDoubt: 1 })
    expect((await store.get(risky.id))!.status).toBe('in-doubt')
    expect(await replay()).toMatchObject({ claimed: 0 })
    expect(await replay({ ids: [risky.id] })).toMatchObject({ done: 1 })
  })

  it('does not trust an idempotency key that the provider may have forgotten', async () => {
    const hour = 3_600_000
    const keyed = (hours: number, changes: RecordChanges = {}): DeadLetterRecord =>
      letter({
        delivery: 'unknown',
        idempotencyKey: 'k',
        firstAttemptAt: Date.now() - hours * hour,
        ...changes,
        request: { method: 'POST', ...changes.request },
      })
    const old = keyed(25)
    await store.add([
      old,
      keyed(23),
      keyed(25, { delivery: 'responded' }),
      keyed(25, { request: { method: 'PUT' } }),
    ])
    expect(await replay({ dryRun: true })).toMatchObject({ claimed: 4, inDoubt: 1 })
    expect(await replay()).toMatchObject({ done: 3, inDoubt: 1 })
    const held = (await store.get(old.id))!
    expect(held).toMatchObject({
      status: 'in-doubt',
      note: expect.stringMatching(/first sent over 86400000 ms ago/) as string,
    })
    await store.requeue([old.id])
    expect(await replay({ idempotencyKeyLifetimeMs: 30 * hour })).toMatchObject({ done: 1 })
    await store.add([keyed(10_000)])
    expect(await replay({ idempotencyKeyLifetimeMs: Infinity })).toMatchObject({ done: 1 })
  })

  it('counts the life of a key from the first send that may have arrived, a replay too', async () => {
    const gone = letter({
      delivery: 'not-sent',
      reason: 'circuit-open',
      idempotencyKey: 'k',
      request: { method: 'POST' },
    })
    await store.add([gone])
    provider.replies = [reset, ok]
    const options = { idempotencyKeyLifetimeMs: 1_500, initialBackoffMs: 0 }
    expect(await replay({ ...options, limit: 1 })).toMatchObject({ later: 1 })
    await new Promise((resolve) => setTimeout(resolve, 1_550))
    expect(await replay(options)).toMatchObject({ sent: 0, inDoubt: 1 })
    expect(provider.received).toHaveLength(1)
    // one that never was sent keeps its key for as long as it waits
    await provider.close()
    const waiting = letter({ delivery: 'not-sent', idempotencyKey: 'k2', request: { method: 'POST' } })
    await store.add([waiting])
    expect(await replay({ ...options, limit: 1 })).toMatchObject({ later: 1 })
    expect((await store.get(waiting.id))!).toMatchObject({
      status: 'pending',
      replays: [{ outcome: 'refused', code: 'ECONNREFUSED' }],
    })
  })

  it('puts a lost answer in doubt when the request is not repeatable, and sends it again when it is', async () => {
    const post = letter({ request: { method: 'POST' }, timestamp: 1 })
    const put = letter({ timestamp: 2 })
    await store.add([post, put])
    provider.replies = [reset, reset, ok]
    const options = { concurrency: 1, initialBackoffMs: 0, maxBackoffMs: 0 }
    expect(await replay(options)).toMatchObject({ sent: 3, inDoubt: 1, later: 1, done: 1 })
    expect((await store.get(post.id))!).toMatchObject({
      status: 'in-doubt',
      replays: [{ code: 'ECONNRESET' }],
    })
  })

  describe('of calls that a retry layer has decided about', () => {
    /** A call through a whole stack that may have arrived, and what a replay then makes of it. */
    async function replayed(
      options: ResilienceOptions,
      reply: Reply,
      method: string,
      changes: Partial<ReplayOptions> = {},
    ): Promise<ReplaySummary> {
      const stack = resilience({ circuitBreaker: false, ...options })
      provider.start([reply, ok])
      await fetch(provider.url, via(agent.compose(stack), { method, body: 'pay 10' })).catch(() => undefined)
      store = stack.deadLetters
      const summary = await replay(changes)
      await stack.close()
      return summary
    }

    it('does not send twice what `retry.methods` says must not be sent twice', async () => {
      const summary = await replayed({ retry: { methods: ['GET'] } }, reset, 'PUT')
      expect(provider.received.map(({ body }) => String(body))).toEqual(['pay 10'])
      expect(summary).toMatchObject({ sent: 0, inDoubt: 1 })
    })

    it('nor when the time of the call ended before a retry had anything to decide', async () => {
      const summary = await replayed({ retry: { methods: ['GET'] }, totalTimeoutMs: 1_000 }, silence, 'PUT')
      expect(provider.received).toHaveLength(1)
      expect(summary).toMatchObject({ sent: 0, inDoubt: 1 })
    })

    it('sends twice what `retry.methods` or `retry.isIdempotent` says may be sent twice', async () => {
      const once = { maxAttempts: 1 }
      expect(await replayed({ retry: { ...once, methods: ['POST'] } }, reset, 'POST')).toMatchObject({
        done: 1,
      })
      expect(await replayed({ retry: { ...once, isIdempotent: () => true } }, reset, 'POST')).toMatchObject({
        done: 1,
      })
      expect(provider.received).toHaveLength(2)
    })

    it('trusts a key no longer than the provider remembers it, though a retry relied on it', async () => {
      const retry = { idempotencyKey: true, maxAttempts: 1 }
      const slowReset: Reply = async (...exchange) => {
        await new Promise((resolve) => setTimeout(resolve, 40))
        void reset(...exchange)
      }
      expect(await replayed({ retry }, slowReset, 'POST')).toMatchObject({ done: 1 })
      const late = await replayed({ retry }, slowReset, 'POST', { idempotencyKeyLifetimeMs: 20 })
      expect(late).toMatchObject({ sent: 0, inDoubt: 1 })
    })
  })

  it('ends a request before its lease does', async () => {
    provider.replies = [silence]
    const record = letter()
    await store.add([record])
    expect(await replay({ leaseMs: 5_000, timeoutMs: 1_000 })).toMatchObject({ sent: 1, later: 1 })
    expect((await store.get(record.id))!.replays).toMatchObject([{ code: 'ERR_TIMEOUT' }])
  })

  it('does not send with what a slow store has left of the time of a request', async () => {
    const record = letter()
    await store.add([record])
    const renew = store.renew.bind(store)
    store.renew = async (...lease) => {
      await sleep(600)
      return renew(...lease)
    }
    const before = Date.now()
    expect(await replay({ leaseMs: 5_000, timeoutMs: 1_000 })).toMatchObject({ sent: 0, skipped: 1 })
    expect(provider.received).toEqual([])
    const left = await store.get(record.id)
    expect(left).toMatchObject({ status: 'pending', replayCount: 0 })
    expect(left!.dueAt).toBeGreaterThanOrEqual(before + 1_600)
  })

  it('obeys the circuit: what it refuses waits, and uses up no replay', async () => {
    const stack = resilience({ circuitBreaker: { failureThreshold: 1, minimumRequests: 1 } })
    const dispatcher = agent.compose(stack)
    await stack.circuits.isolate(provider.url)
    await store.add(Array.from({ length: 50 }, () => letter()))
    const summary = await replay({ dispatcher, maxReplays: 1 })
    expect(summary).toMatchObject({ done: 0, failed: 0, quarantined: 0 })
    expect(summary.sent).toBeLessThanOrEqual(8)
    expect(provider.received).toHaveLength(0)
    const stats = await store.stats()
    expect(stats.byStatus.pending).toBe(50)
    expect((await store.list()).items.every((item) => item.replayCount === 0)).toBe(true)
    await stack.circuits.reset(provider.url)
    expect((await replay({ dispatcher })).done).toBeGreaterThanOrEqual(42)
    await stack.close()
  })

  it('captures no second dead letter, and makes one attempt, through a whole stack', async () => {
    const stack = resilience({ retry: { initialBackoffMs: 1 } })
    provider.replies = [status(500)]
    await store.add([letter()])
    expect(await replay({ dispatcher: agent.compose(stack) })).toMatchObject({ later: 1 })
    expect(provider.received).toHaveLength(1)
    expect((await stack.deadLetters.stats()).total).toBe(0)
    await stack.close()
  })

  it('stops for an origin that cannot be reached, and uses up no replay', async () => {
    await store.add(Array.from({ length: 40 }, () => letter()))
    await provider.close()
    const summary = await replay({ concurrency: 2 })
    expect(summary.later).toBeLessThan(10)
    expect(summary.quarantined + summary.failed).toBe(0)
    expect((await store.stats()).byStatus.pending).toBe(40)
  })

  it('does not let the scope of its caller reach the requests', async () => {
    await store.add([letter({ request: { method: 'POST' } })])
    await withCallOptions({ idempotencyKey: 'of-the-caller' }, () =>
      replay({ dispatcher: agent.compose(resilience()) }),
    )
    expect(provider.received[0]!.headers['idempotency-key']).toBeUndefined()
  })

  it('changes and sends nothing in a dry run, and says what would happen', async () => {
    const risky = letter({ delivery: 'unknown', request: { method: 'POST' } })
    const later = letter({ notBefore: Date.now() + 60_000 })
    await store.add([letter(), risky, later, letter({ request: { omittedHeaders: ['x-a'] } })])
    const before = JSON.stringify(await store.list())
    const told: string[] = []
    const summary = await replay({ dryRun: true, onProgress: (one) => told.push(one.outcome) })
    expect(summary).toMatchObject({ claimed: 3, sent: 0, refused: 1, inDoubt: 1 })
    expect(told.sort()).toEqual(['in-doubt', 'refused', 'would-send'])
    expect(JSON.stringify(await store.list())).toBe(before)
    expect(provider.received).toHaveLength(0)
  })

  it('says in a dry run what an open or isolated circuit would answer', async () => {
    const { circuits } = memoryStore()
    await store.add([letter()])
    const told: ReplayProgress[] = []
    const rehearse = (): ReturnType<typeof replay> =>
      replay({ dryRun: true, circuits, onProgress: (one) => told.push(one) })
    expect(await rehearse()).toMatchObject({ claimed: 1, later: 0 })
    await circuits.isolate(provider.url)
    expect(await rehearse()).toMatchObject({ claimed: 1, later: 1 })
    expect(told.map(({ outcome, reason }) => [outcome, reason])).toEqual([
      ['would-send', undefined],
      ['later', 'circuit-open'],
    ])
    expect(told[1]!.message).toBe(`nothing would be sent: the circuit of ${provider.url} is isolated`)
    await circuits.close()
  })

  it('leaves the event loop free in a dry run over many entries of a file, and stops at once', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'dry-run-'))
    const file = sqliteStore(join(folder, 'letters.db'))
    store = file.deadLetters
    await store.add(Array.from({ length: 3000 }, () => letter()))
    const stop = new AbortController()
    let rows = 0
    let turns = 0
    const timer = setInterval(() => turns++, 1)
    // what asks it to stop is heard by the event loop alone, as Ctrl-C is
    const summary = await replay({
      dryRun: true,
      signal: stop.signal,
      onProgress: () => {
        if (++rows === 500) setImmediate(() => stop.abort())
      },
    })
    clearInterval(timer)
    expect(summary.cancelled).toBe(true)
    expect(rows).toBeGreaterThanOrEqual(500)
    expect(rows).toBeLessThan(1500)
    expect(turns).toBeGreaterThan(1)
    await file.close()
    await rm(folder, { recursive: true })
  })

  it('rehearses with ids what the run itself would do: what it would leave alone is not told', async () => {
    const elsewhere = makeRecord({ request: { url: 'https://elsewhere.example.com/contacts/1' } })
    const cut = letter({ replayable: false, notReplayableReason: 'body-too-large' })
    const held = letter({ timestamp: 1 })
    const named = letter({ integration: 'crm' })
    const risky = letter({ delivery: 'unknown', request: { method: 'POST' }, integration: 'crm' })
    await store.add([elsewhere, cut, held, named, risky])
    await store.claim({ limit: 1, leaseMs: 60_000, ids: [held.id] })
    const ids = [elsewhere.id, cut.id, held.id, named.id, named.id, risky.id, 'nobody']
    const told: string[][] = [[], []]
    const options = { ids, filter: { integration: 'crm' }, unknownDelivery: 'hold' } as const
    const rehearsed = await replay({
      ...options,
      dryRun: true,
      onProgress: ({ id, outcome }) => told[0]!.push(`${id} ${outcome}`),
    })
    const done = await replay({
      ...options,
      onProgress: ({ id, outcome }) => told[1]!.push(`${id} ${outcome}`),
    })
    expect(rehearsed).toMatchObject({ claimed: 2, quarantined: 0, refused: 0, inDoubt: 1 })
    expect(done).toMatchObject({ claimed: 2, quarantined: 0, refused: 0, inDoubt: 1, done: 1 })
    expect(told[0]!.sort()).toEqual([`${named.id} would-send`, `${risky.id} in-doubt`].sort())
    expect(told[1]!.sort()).toEqual([`${named.id} done`, `${risky.id} in-doubt`].sort())
    expect((await store.get(elsewhere.id))?.status).toBe('pending')
    const alone = await replay({ ids: [elsewhere.id, cut.id, held.id], dryRun: true })
    expect(alone).toMatchObject({ claimed: 0, quarantined: 0, refused: 0 })
  })

  it('goes on in a rehearsal when an entry cannot be read, and tells it as the run itself does', async () => {
    const bad = letter()
    const good = letter()
    await store.add([bad, good])
    const get = store.get.bind(store)
    store.get = async (id) => {
      if (id === bad.id) throw new DeadLetterFormatError('not JSON', id)
      return get(id)
    }
    expect(await replay({ dryRun: true, ids: [bad.id, good.id] })).toMatchObject({ claimed: 1, corrupt: 1 })
  })

  it('keeps to its rate and its concurrency', async () => {
    let now = 0
    let most = 0
    provider.replies = [
      async (_request, response): Promise<void> => {
        most = Math.max(most, ++now)
        await new Promise((resolve) => setTimeout(resolve, 20))
        now--
        response.end()
      },
    ]
    await store.add(Array.from({ length: 12 }, () => letter()))
    await replay({ concurrency: 3 })
    expect(most).toBe(3)
    await store.add(Array.from({ length: 6 }, () => letter()))
    const began = performance.now()
    await replay({ ratePerSecond: 50, concurrency: 10 })
    expect(performance.now() - began).toBeGreaterThanOrEqual(5 * 20 - 5)
  })

  it('loses nothing when it is cancelled, and finishes what is being sent', async () => {
    const abort = new AbortController()
    provider.replies = [
      (_request, response): void => {
        abort.abort()
        setTimeout(() => response.end(), 20)
      },
    ]
    await store.add(Array.from({ length: 30 }, () => letter()))
    const summary = await replay({ signal: abort.signal, concurrency: 2 })
    expect(summary.cancelled).toBe(true)
    expect(summary.done).toBe(summary.sent)
    const stats = await store.stats()
    expect(stats.byStatus.pending).toBe(30 - summary.done)
    expect(summary.done).toBeGreaterThanOrEqual(1)
  })

  it('replays only what the filter selects, up to the limit', async () => {
    await store.add([
      letter({ integration: 'a' }),
      letter({ integration: 'b' }),
      letter({ integration: 'b' }),
    ])
    expect(await replay({ filter: { integration: 'b' }, limit: 1, concurrency: 4 })).toMatchObject({
      done: 1,
    })
    expect(await replay({ filter: { integration: 'b' } })).toMatchObject({ done: 1 })
    expect((await store.list()).items.map((item) => item.integration)).toEqual(['a'])
  })

  it('replays the entries of an ordering key in their order, one after the other', async () => {
    const order = Array.from({ length: 6 }, (_, i) =>
      letter({ orderingKey: 'o', request: { url: `${provider.url}/${i}` }, timestamp: 1000 - i }),
    )
    await store.add([...order].reverse())
    let now = 0
    provider.replies = [
      (_request, response): void => {
        expect(++now).toBe(1)
        setTimeout(() => response.end(() => now--), 5)
      },
    ]
    expect(await replay({ concurrency: 4 })).toMatchObject({ done: 6 })
    expect(provider.received.map((one) => one.url)).toEqual(['/0', '/1', '/2', '/3', '/4', '/5'])
  })

  it('goes on with the others when a progress listener or the credentials throw', async () => {
    const bad = letter({ integration: 'bad' })
    await store.add([bad, letter({ integration: 'good' })])
    const warned = new Promise((resolve) => process.once('warning', resolve))
    const summary = await replay({
      credentials: (record) => {
        if (record.integration === 'bad') throw new Error('no token')
        return {}
      },
      onProgress: () => {
        throw new Error('a bug in the listener')
      },
    })
    expect(summary).toMatchObject({ done: 1, refused: 1 })
    await warned
    expect((await store.get(bad.id))!.status).toBe('pending')
  })

  it('says which function of the user threw, in a rehearsal too', async () => {
    await store.add([letter()])
    const told: (string | undefined)[] = []
    const onProgress = ({ message }: ReplayProgress): void => void told.push(message)
    const decide = ({ labels }: DeadLetterRecord): ReplayDecision =>
      labels!['env'] === 'staging' ? 'discard' : 'send'
    const credentials = (): never => {
      throw new Error('no token')
    }
    await replay({ dryRun: true, decide, onProgress })
    await replay({ dryRun: true, credentials, onProgress })
    await replay({ credentials, onProgress })
    expect(told).toEqual([
      "`decide` threw: Cannot read properties of undefined (reading 'env')",
      '`credentials` threw: no token',
      '`credentials` threw: no token',
    ])
    expect(provider.received).toEqual([])
  })

  it('rejects when the store fails', async () => {
    await store.add([letter()])
    await store.close()
    await expect(replay()).rejects.toThrow('closed')
  })

  it('tells a store that was away for a while that the server took it, and sends it once', async () => {
    let away = 3
    beforeSettling(() => {
      if (away-- > 0) throw new Error('the store is away')
    })
    await store.add([letter()])
    expect(await replay()).toMatchObject({ sent: 1, done: 1 })
    expect(away).toBe(-1)
    expect(provider.received).toHaveLength(1)
    expect((await store.stats()).total).toBe(0)
  })

  it('gives up to tell it when another may have sent it', async () => {
    await store.add([letter()])
    beforeSettling(() => {
      throw new Error('the store is away')
    })
    const began = performance.now()
    await expect(replay({ leaseMs: 2_000, lapseDelayMs: 300 })).rejects.toThrow('away')
    expect(performance.now() - began).toBeGreaterThan(1_000)
    expect(performance.now() - began).toBeLessThan(10_000)
  })

  it('does not hold up the end of a run for long when the store is away', async () => {
    await store.add([letter()])
    const ending = new AbortController()
    beforeSettling(() => {
      ending.abort()
      throw new Error('the store is away')
    })
    const began = performance.now()
    await expect(replay({ signal: ending.signal })).rejects.toThrow('away')
    expect(performance.now() - began).toBeGreaterThan(1_000)
    expect(performance.now() - began).toBeLessThan(20_000)
  })

  it('gives up at once to tell a store that is closed', async () => {
    await store.add([letter()])
    beforeSettling(() => store.close())
    const began = performance.now()
    await expect(replay()).rejects.toThrow('closed')
    expect(performance.now() - began).toBeLessThan(20_000)
  })

  it.each([
    [{ allowedOrigins: [] }, '`allowedOrigins` must name at least one origin, got []'],
    [{ allowedOrigins: 'https://a.test' }, '`allowedOrigins` must be an array'],
    [
      { allowedOrigins: ['https://a.test/path'] },
      'got "https://a.test/path"; did you mean "https://a.test"?',
    ],
    [{ allowedOrigins: ['https://a.test/'] }, 'got "https://a.test/"; did you mean "https://a.test"?'],
    [{ allowedOrigins: ['https://user@a.test'] }, '`allowedOrigins[0]` must be an http or https origin'],
    [{ allowedOrigins: ['ftp://a.test'] }, '`allowedOrigins[0]` must be an http or https origin'],
    [{ allowedOrigins: ['null'] }, '`allowedOrigins[0]` must be an http or https origin'],
    [{ allowedOrigins: ['*'] }, '`allowedOrigins[0]` must be an http or https origin'],
    [{ filter: { origin: 'https://b.test' } }, '`filter.origin` must be one of `allowedOrigins`'],
    [{ filter: { nme: 'x' } }, '`filter` has no option `nme`'],
    [{ concurrency: 0 }, '`concurrency` must be an integer >= 1'],
    [{ ratePerSecond: 0 }, '`ratePerSecond` must be a number >= 0.001, got 0'],
    [{ leaseMs: 100 }, '`leaseMs` must be an integer >= 200'],
    [
      { leaseMs: 1000, timeoutMs: 950 },
      '`timeoutMs` must be an integer >= 1 and <= 900 (`leaseMs` - 100), got 950',
    ],
    [{ maxReplays: 0 }, '`maxReplays` must be an integer >= 1, got 0'],
    [{ idempotencyKeyLifetimeMs: -1 }, '`idempotencyKeyLifetimeMs` must be'],
    [{ lapseDelayMs: 1.5 }, '`lapseDelayMs` must be'],
    [{ unknownDelivery: 'send' }, '`unknownDelivery` must be one of hold, replay, got "send"'],
    [{ missingHeaders: 1 }, '`missingHeaders` must be one of refuse, send, got 1'],
    [{ dryRun: 'yes' }, '`dryRun` must be true or false, got "yes"'],
    [{ signal: {} }, '`signal` must be an AbortSignal'],
    [{ circuits: {} }, '`circuits` must be circuits, as `stack.circuits`, got an object'],
    [{ dispatcher: {} }, '`dispatcher` must be an undici Dispatcher'],
    [{ credentials: {} }, '`credentials` must be a function, got an object'],
    [{ limit: 0 }, '`limit` must be an integer >= 1, got 0'],
    [{ retry: 1 }, '`replayDeadLetters` has no option `retry`'],
  ])('refuses %j', async (options, message) => {
    await expect(replay(options as never)).rejects.toThrow(message)
  })
})

describe('hostile entries', () => {
  async function outcomes(record: DeadLetterRecord): Promise<{ asked: number; told: ReplayProgress[] }> {
    let asked = 0
    const told: ReplayProgress[] = []
    store = localDeadLetters()
    await store.add([record])
    await replay({
      ids: [record.id],
      credentials: () => {
        asked++
        return { authorization: 'Bearer secret' }
      },
      onProgress: (one) => told.push(one),
    })
    return { asked, told }
  }

  it.each([
    ['another origin', { url: 'https://evil.example/' }],
    ['an origin that only begins like ours', { url: 'http://127.0.0.1.evil.example/' }],
    ['userinfo', { url: 'http://127.0.0.1@evil.example/' }],
    ['another protocol', { url: 'file:///etc/passwd' }],
    ['no url', { url: 'nonsense' }],
  ])('sends nothing and asks for no credentials: %s', async (_what, request) => {
    const { asked } = await outcomes(makeRecord({ request }))
    expect(asked).toBe(0)
    expect(provider.received).toHaveLength(0)
  })

  it.each([
    ['CRLF in a header value', { headers: { accept: 'a\r\nauthorization: forged' } }],
    ['CRLF in a header name', { headers: { 'a\r\nb': 'x' } }],
    ['a method that is none', { method: 'GET / HTTP/1.1\r\n' }],
    ['a body that was exchanged', { body: Buffer.from('{"name":"Eve"}') }],
  ])('quarantines %s with a clear note', async (_what, request) => {
    const record = letter()
    const forged = { ...record, request: { ...record.request, ...request } }
    const { told } = await outcomes(forged)
    expect(told).toMatchObject([{ outcome: 'quarantined' }])
    expect((await store.get(record.id))!.note).toMatch(/its /)
    expect(provider.received).toHaveLength(0)
  })

  it('does not send credentials, a host or a length that somebody put into the store', async () => {
    const headers = {
      authorization: 'Bearer forged',
      cookie: 'a=b',
      host: 'evil.example',
      'content-length': '3',
      'transfer-encoding': 'chunked',
      connection: 'upgrade',
      'x-api-key': 'forged',
    }
    const { told } = await outcomes(letter({ request: { headers } }))
    expect(told).toMatchObject([{ outcome: 'done' }])
    expect(provider.received[0]!.headers).toMatchObject({
      authorization: 'Bearer secret',
      host: `127.0.0.1:${provider.port}`,
      'content-length': '14',
    })
    expect(provider.received[0]!.headers['x-api-key']).toBeUndefined()
    expect(provider.received[0]!.headers.cookie).toBeUndefined()
  })

  it('refuses credentials that would break out of a header', async () => {
    await store.add([letter()])
    const told: ReplayProgress[] = []
    await replay({ credentials: () => ({ authorization: 'a\r\nb: c' }), onProgress: (one) => told.push(one) })
    expect(told).toMatchObject([
      { outcome: 'refused', message: expect.not.stringContaining('b: c') as string },
    ])
  })
})

describe('on a file shared by processes', () => {
  it('replays from SQLite after the process that captured is gone', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'replay-'))
    const path = join(folder, 'letters.db')
    provider.replies = [status(503), ok]
    const first = sqliteStore(path)
    const letters = deadLetter({ store: first })
    await fetch(provider.url, via(agent.compose(letters), { method: 'PUT', body: 'stream me' }))
    await letters.close()
    await first.close()
    const second = sqliteStore(path)
    store = second.deadLetters
    expect(await replay()).toMatchObject({ done: 1 })
    expect(provider.received[1]!.body.toString()).toBe('stream me')
    await second.close()
    await rm(folder, { recursive: true })
  })
})

describe('startReplayer', () => {
  it('replays what becomes due until it is closed', async () => {
    const dispatcher: Dispatcher = agent
    const replayer = startReplayer(store, {
      allowedOrigins: [provider.url],
      dispatcher,
      intervalMs: 5,
      ratePerSecond: Infinity,
    })
    await store.add([letter()])
    await expect.poll(() => provider.received.length).toBe(1)
    await store.add([letter()])
    await expect.poll(async () => (await store.stats()).counters.replayed).toBe(2)
    await replayer.close()
    await store.add([letter()])
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(provider.received).toHaveLength(2)
    expect(replayer.lastRun).toBeDefined()
  })

  it('goes on after a run that failed', async () => {
    const failures: object[] = []
    const log = (context: object): number => failures.push(context)
    const broken = new Proxy(store, {
      get: (target, name) =>
        name === 'claim' && failures.length === 0
          ? () => Promise.reject(new Error('store away'))
          : (target[name as keyof DeadLetterStore] as () => void).bind?.(target),
    })
    const replayer = startReplayer(broken, {
      allowedOrigins: [provider.url],
      dispatcher: agent,
      intervalMs: 5,
      logger: { info: () => undefined, warn: log, error: log },
    })
    await store.add([letter()])
    await expect.poll(() => provider.received.length).toBe(1)
    expect(failures).toMatchObject([{ hook: 'startReplayer' }])
    await replayer.close()
  })
})

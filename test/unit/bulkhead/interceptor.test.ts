import { AsyncLocalStorage } from 'node:async_hooks'
import { request } from 'undici'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { bulkhead, type BulkheadInterceptorOptions } from '../../../src/bulkhead/interceptor.ts'
import { BulkheadFullError, ShutdownError } from '../../../src/errors.ts'
import { channels, type AttemptDoneEvent } from '../../../src/telemetry/channels.ts'
import { timeoutInterceptor } from '../../../src/timeout/interceptor.ts'
import { withCallOptions } from '../../../src/with-call-options.ts'
import { ScriptedDispatcher } from '../../support/calls/scripted-dispatcher.ts'

interface CallSettings {
  signal?: AbortSignal
  path?: string
  bulkhead?: false
  totalTimeoutMs?: number
}

/** A server that the test plays, behind `bulkhead` and, outside it, the total timeout that a call brings. */
function bounded(options: BulkheadInterceptorOptions = {}) {
  const own = bulkhead({ limit: 1, ...options })
  const server = new ScriptedDispatcher()
  const total = timeoutInterceptor({
    deadlines: undefined,
    untilEnd: false,
    integration: 'default',
    scope: 'call',
  })
  const dispatcher = server.compose(own, total)
  const call = ({ signal, path = '/things?token=s3cret', ...scope }: CallSettings = {}) => {
    const result = withCallOptions(scope, () =>
      request(`http://api.test${path}`, { dispatcher, ...(signal === undefined ? {} : { signal }) }),
    )
    // read by the tests that want it
    result.catch(() => undefined)
    return result
  }
  return { own, server, call }
}

function fakeTime() {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] })
  onTestFinished(() => void vi.useRealTimers())
  return (ms: number) => vi.advanceTimersByTimeAsync(ms)
}

/** Everything that waits for no timer has happened. */
const settled = () => new Promise((resolve) => setImmediate(resolve))

describe('a bulkhead', () => {
  it('has as many attempts in flight as its limit, and lets the others go in the order in which they came', async () => {
    const { server, call } = bounded({ limit: 2 })
    for (let at = 0; at < 6; at++) void call({ path: `/${at}` })
    const paths = () => server.attempts.map(({ options }) => options.path)
    expect(paths()).toEqual(['/0', '/1'])
    server.attempts[1]!.respond(200)
    await settled()
    expect(paths()).toEqual(['/0', '/1', '/2'])
    server.attempts[0]!.respond(200)
    server.attempts[2]!.respond(200)
    // one that comes now is behind those that wait, though a slot is free
    void call({ path: '/late' })
    await settled()
    expect(paths()).toEqual(['/0', '/1', '/2', '/3', '/4'])
    for (let at = 3; at < 7; at++) {
      server.attempts[at]!.respond(200)
      await settled()
    }
    expect(paths()).toEqual(['/0', '/1', '/2', '/3', '/4', '/5', '/late'])
  })

  it('is one for each origin', () => {
    const { own, server } = bounded()
    const dispatcher = server.compose(own)
    for (const host of ['a', 'b', 'a']) void request(`http://${host}.test/`, { dispatcher })
    expect(server.attempts).toHaveLength(2)
  })

  it('is one for what `key` says', () => {
    const { server, call } = bounded({ key: ({ path }) => path })
    void call({ path: '/a' })
    void call({ path: '/b' })
    void call({ path: '/a' })
    expect(server.attempts).toHaveLength(2)
  })

  it('lets a call pass that is excused from it', () => {
    const { server, call } = bounded()
    void call()
    void call({ bulkhead: false })
    expect(server.attempts).toHaveLength(2)
  })

  it('lets calls go on in their own async context', async () => {
    const store = new AsyncLocalStorage<string>()
    const { server, call } = bounded()
    const seen: unknown[] = []
    server.answer = () => void seen.push(store.getStore())
    store.run('a', () => void call())
    store.run('b', () => void call())
    store.run('of the answer', () => server.attempts[0]!.respond(200))
    await settled()
    expect(seen).toEqual(['a', 'b'])
  })
})

describe('a slot is given back once', () => {
  type Attempt = ScriptedDispatcher['attempts'][number]
  const endings: [string, 'headers' | 'end', (attempt: Attempt, caller: AbortController) => void][] = [
    ['at the headers', 'headers', (attempt) => attempt.start().head(200)],
    ['at the headers of a failure', 'headers', (attempt) => attempt.start().head(503)],
    ['at the end of the body', 'end', (attempt) => attempt.respond(200)],
    [
      'at an error before anything was sent',
      'headers',
      (attempt) => attempt.fail(new Error('no connection')),
    ],
    ['at an error after sending', 'headers', (attempt) => attempt.start().fail(new Error('reset'))],
    [
      'at an error in the body',
      'end',
      (attempt) => {
        attempt.start().head(200)
        attempt.fail(new Error('reset'))
      },
    ],
    ['at an abort', 'headers', (attempt, caller) => void (attempt.start(), caller.abort())],
    ['at an abort before a connection was free', 'headers', (_, caller) => caller.abort()],
    ['at an abort in the body', 'end', (attempt, caller) => void (attempt.start().head(200), caller.abort())],
    [
      'at all ends together',
      'headers',
      (attempt, caller) => {
        attempt.respond(200)
        attempt.fail(new Error('late'))
        caller.abort()
      },
    ],
  ]
  it.each(endings)('%s', async (_, holdUntil, end) => {
    const { server, call } = bounded({ holdUntil })
    const caller = new AbortController()
    call({ signal: caller.signal }).then(
      ({ body }) => body.on('error', () => undefined),
      () => undefined,
    )
    for (let at = 0; at < 3; at++) void call()
    expect(server.attempts).toHaveLength(1)
    end(server.attempts[0]!, caller)
    await settled()
    expect(server.attempts).toHaveLength(2)
    // and not a second time
    void call()
    await settled()
    expect(server.attempts).toHaveLength(2)
  })

  it('where the dispatcher throws at once', async () => {
    const { server, call } = bounded()
    server.answer = () => {
      throw new Error('closed')
    }
    const calls = [call(), call(), call()]
    for (const one of calls) await expect(one).rejects.toThrow('closed')
    server.answer = undefined
    void call()
    void call()
    await settled()
    expect(server.attempts).toHaveLength(4)
  })

  it('where ten thousand that wait fail at once, one after the other', async () => {
    const { server, call } = bounded({ maxQueue: 10_000 })
    void call()
    const waiting = Array.from({ length: 10_000 }, () => call())
    server.answer = (attempt) => attempt.fail(new Error('refused'))
    server.attempts[0]!.respond(200)
    const ends = await Promise.allSettled(waiting)
    expect(
      ends.every(
        ({ status, ...rest }) => status === 'rejected' && String(Object.values(rest)[0]) === 'Error: refused',
      ),
    ).toBe(true)
    expect(server.attempts).toHaveLength(10_001)
  })

  it('at a timeout of the call, also where no connection has taken the attempt up', async () => {
    const pass = fakeTime()
    const { server, call } = bounded()
    const late = call({ totalTimeoutMs: 100 })
    void call()
    await pass(101)
    await expect(late).rejects.toMatchObject({ code: 'ERR_TIMEOUT' })
    expect(server.attempts).toHaveLength(2)
  })

  it('not at an informational response, and by `holdUntil: "end"` not at the headers', async () => {
    const { server, call } = bounded({ holdUntil: 'end' })
    void call()
    void call()
    server.attempts[0]!.start().head(103).head(200)
    await settled()
    expect(server.attempts).toHaveLength(1)
    server.attempts[0]!.end()
    await settled()
    expect(server.attempts).toHaveLength(2)
  })
})

describe('a call that finds no slot', () => {
  it('is refused at once when as many wait as may, with nothing sent', async () => {
    const { server, call } = bounded({ integration: 'crm', maxQueue: 1 })
    const done: AttemptDoneEvent[] = []
    const listener = (event: AttemptDoneEvent) => void done.push(event)
    void call()
    void call()
    channels.attemptDone.subscribe(listener)
    onTestFinished(() => void channels.attemptDone.unsubscribe(listener))
    const error: unknown = await call().catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(BulkheadFullError)
    expect(error).toMatchObject({
      code: 'ERR_BULKHEAD_FULL',
      key: 'http://api.test',
      integration: 'crm',
      attempts: 0,
      statusCode: undefined,
      message: 'crm: GET http://api.test/things was not sent: its bulkhead is full',
    })
    expect(done).toMatchObject([{ outcome: 'refused', code: 'ERR_BULKHEAD_FULL' }])
    expect(server.attempts).toHaveLength(1)
  })

  it('is refused when it has waited as long as it may, and the next one has its place', async () => {
    const pass = fakeTime()
    const { server, call } = bounded({ maxWaitMs: 1_000 })
    void call({ path: '/first' })
    const waits = call()
    await pass(500)
    void call({ path: '/next' })
    await pass(501)
    await expect(waits).rejects.toMatchObject({ code: 'ERR_BULKHEAD_FULL', attempts: 0 })
    server.attempts[0]!.respond(200)
    await pass(0)
    expect(server.attempts.map(({ options }) => options.path)).toEqual(['/first', '/next'])
  })

  it('is refused at once by `maxWaitMs: 0`', async () => {
    const { call } = bounded({ maxWaitMs: 0 })
    void call()
    await expect(call()).rejects.toMatchObject({ code: 'ERR_BULKHEAD_FULL' })
  })

  it('is refused at once where less than twice the mean response time is left', async () => {
    const pass = fakeTime()
    const { server, call } = bounded()
    void call()
    await pass(300)
    server.attempts[0]!.respond(200)
    // a slot is free: it may be answered in time
    void call({ totalTimeoutMs: 400 })
    expect(server.attempts).toHaveLength(2)
    await expect(call({ totalTimeoutMs: 590 })).rejects.toMatchObject({
      code: 'ERR_BULKHEAD_FULL',
      message:
        'default: GET http://api.test/things was not sent: its bulkhead is full, and too little of its time is left',
    })
    void call({ totalTimeoutMs: 700 })
    server.attempts[1]!.respond(200)
    await pass(0)
    expect(server.attempts).toHaveLength(3)
  })

  it('is refused in line once it could not finish any more, and not only when its time is over', async () => {
    const pass = fakeTime()
    const { server, call } = bounded()
    void call()
    await pass(300)
    server.attempts[0]!.respond(200)
    void call()
    const waits = call({ totalTimeoutMs: 1_000 })
    await pass(380)
    const pending = await Promise.race([waits.then(String, String), Promise.resolve('waits')])
    expect(pending).toBe('waits')
    await pass(30)
    await expect(waits).rejects.toMatchObject({ code: 'ERR_BULKHEAD_FULL' })
    expect(server.attempts).toHaveLength(2)
  })

  it('is refused at its turn where answers have become too slow for it, and the next goes', async () => {
    const pass = fakeTime()
    const { server, call } = bounded()
    void call({ path: '/slow' })
    const late = call({ totalTimeoutMs: 1_000 })
    void call({ path: '/next' })
    await pass(600)
    server.attempts[0]!.respond(200)
    await expect(late).rejects.toMatchObject({ code: 'ERR_BULKHEAD_FULL' })
    expect(server.attempts.map(({ options }) => options.path)).toEqual(['/slow', '/next'])
  })

  it('leaves the line at an abort, with the reason of the caller', async () => {
    const { server, call } = bounded()
    const caller = new AbortController()
    void call({ path: '/first' })
    const waits = call({ signal: caller.signal })
    void call({ path: '/next' })
    const reason = new Error('not needed')
    caller.abort(reason)
    await expect(waits).rejects.toBe(reason)
    server.attempts[0]!.respond(200)
    await settled()
    expect(server.attempts.map(({ options }) => options.path)).toEqual(['/first', '/next'])
  })

  it('leaves the line at a timeout of the call', async () => {
    const pass = fakeTime()
    const { server, call } = bounded()
    void call()
    const waits = call({ totalTimeoutMs: 100 })
    await pass(102)
    await expect(waits).rejects.toMatchObject({ name: /RequestTimeoutError|BulkheadFullError/ })
    server.attempts[0]!.respond(200)
    await pass(0)
    expect(server.attempts).toHaveLength(1)
  })

  it('ends with a ShutdownError when the bulkhead is closed; later ones are refused where they find no slot', async () => {
    const { own, server, call } = bounded()
    void call()
    const waits = call()
    own.close()
    const error: unknown = await waits.catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(ShutdownError)
    expect(error).toMatchObject({ attempts: 0 })
    await expect(call()).rejects.toMatchObject({ code: 'ERR_BULKHEAD_FULL' })
    server.attempts[0]!.respond(200)
    void call()
    expect(server.attempts).toHaveLength(2)
  })
})

describe('the options', () => {
  it.each([
    [{ limit: 0 }, '`limit` must be an integer >= 1, got 0'],
    [{ maxQueue: -1 }, '`maxQueue` must be an integer >= 0, got -1'],
    [{ holdUntil: 'body' }, '`holdUntil` must be one of headers, end, got "body"'],
    [{ key: 'origin' }, '`key` must be a function, got "origin"'],
  ])('%j are refused by name', (options, message) => {
    expect(() => bulkhead(options as never)).toThrow(message)
  })
})

describe('a bulkhead that follows its provider', () => {
  it('lets fewer go after a refusal and after a timeout, and more after answers', async () => {
    const { server, call } = bounded({ limit: 10, adaptive: { min: 1 } })
    for (let at = 0; at < 30; at++) void call()
    expect(server.attempts).toHaveLength(10)
    server.attempts[0]!.respond(429)
    await settled()
    // nine may be in flight, and nine are
    expect(server.attempts).toHaveLength(10)
    server.attempts[1]!.respond(200)
    await settled()
    expect(server.attempts).toHaveLength(11)
    server.attempts[10]!.start().fail(Object.assign(new Error('late'), { code: 'UND_ERR_HEADERS_TIMEOUT' }))
    await settled()
    expect(server.attempts).toHaveLength(11)
  })

  type Pass = ReturnType<typeof fakeTime>
  const inTime: [string, boolean, (call: ReturnType<typeof bounded>['call'], pass: Pass) => Promise<void>][] =
    [
      [
        'a timeout of the call',
        true,
        async (call, pass) => {
          void call({ totalTimeoutMs: 100 })
          await pass(101)
        },
      ],
      [
        "the caller's own timeout",
        true,
        async (call) => {
          const caller = new AbortController()
          void call({ signal: caller.signal })
          caller.abort(new DOMException('too late', 'TimeoutError'))
          await settled()
        },
      ],
      [
        'an abort',
        false,
        async (call) => {
          const caller = new AbortController()
          void call({ signal: caller.signal })
          caller.abort()
          await settled()
        },
      ],
    ]
  it.each(inTime)('after %s: fewer go (%s)', async (_, fewer, end) => {
    const pass = fakeTime()
    const { server, call } = bounded({ limit: 10, adaptive: {} })
    server.answer = (attempt) => void attempt.start()
    await end(call, pass)
    for (let at = 0; at < 12; at++) void call()
    expect(server.attempts).toHaveLength(fewer ? 10 : 11)
  })

  it('lets as many go after a timeout of what was never sent', async () => {
    const pass = fakeTime()
    const { server, call } = bounded({ limit: 10, adaptive: {} })
    void call({ totalTimeoutMs: 100 })
    await pass(101)
    for (let at = 0; at < 12; at++) void call()
    expect(server.attempts).toHaveLength(11)
  })

  it('refuses bounds that contradict each other', () => {
    expect(() => bulkhead({ adaptive: { min: 5, max: 4 } })).toThrow(
      '`adaptive.min` must be an integer >= 1 and <= 4 (`adaptive.max`), got 5',
    )
    expect(() => bulkhead({ adaptive: true as never })).toThrow(
      '`adaptive` must be an object of options, got true',
    )
  })
})

it('tells who waits for a slot, and who is refused', () => {
  const told: unknown[] = []
  const listen = (event: object, channel: string | symbol): void => void told.push({ channel, ...event })
  for (const one of [channels.bulkheadWaiting, channels.bulkheadRefused]) one.subscribe(listen)
  onTestFinished(() => {
    for (const one of [channels.bulkheadWaiting, channels.bulkheadRefused]) one.unsubscribe(listen)
  })
  const { call } = bounded({ maxQueue: 1 })
  for (let at = 0; at < 3; at++) void call()
  const about = {
    method: 'GET',
    url: 'http://api.test/things?token=[redacted]',
    key: 'http://api.test',
    limit: 1,
  }
  expect(told).toMatchObject([
    { channel: 'undici-resilience:bulkhead:waiting', ...about, waiting: 0 },
    { channel: 'undici-resilience:bulkhead:refused', ...about, waiting: 1, why: 'full' },
  ])
})

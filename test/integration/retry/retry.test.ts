import { Agent, Client, type Dispatcher, request } from 'undici'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { retry } from '../../../src/retry/interceptor.ts'
import { channels, type RetryScheduledEvent } from '../../../src/telemetry/channels.ts'
import { timeout } from '../../../src/timeout/interceptor.ts'
import { withCallOptions } from '../../../src/with-call-options.ts'
import { ok, type Provider, reset, silence, startProvider, status } from '../../support/calls/provider.ts'
import { via } from '../../support/calls/via.ts'

let provider: Provider
let dispatcher: Dispatcher
const quick = { initialBackoffMs: 1 }
const send = (init: RequestInit = {}, url = provider.url) => fetch(url, via(dispatcher, { ...init }))
beforeEach(async () => {
  provider = await startProvider()
  dispatcher = new Agent().compose(retry(quick))
})
afterEach(async () => {
  await dispatcher.destroy()
  await provider.close()
})

describe('what is retried', () => {
  it.each([408, 429, 500, 501, 502, 503, 504])('a GET after %i', async (code) => {
    provider.replies = [status(code), ok]
    expect((await send()).status).toBe(200)
    expect(provider.received).toHaveLength(2)
  })

  it('a POST after 429, since the server refused before it acted', async () => {
    provider.replies = [status(429), ok]
    expect((await send({ method: 'POST', body: 'order' })).status).toBe(200)
    expect(provider.received.map((entry) => String(entry.body))).toEqual(['order', 'order'])
  })

  it.each([
    ['a 503', status(503)],
    ['a reset', reset],
  ])('not a POST after %s: it may have been booked', async (_what, reply) => {
    provider.replies = [reply, ok]
    await send({ method: 'POST', body: 'order' }).catch(() => undefined)
    expect(provider.received).toHaveLength(1)
  })

  it('not a POST after a timeout of an attempt that was sent', async () => {
    dispatcher = new Agent().compose(timeout({ ms: 1_000 }), retry(quick))
    provider.replies = [silence, ok]
    await expect(send({ method: 'POST', body: 'order' })).rejects.toMatchObject({
      cause: { code: 'ERR_TIMEOUT', scope: 'attempt', attempts: 1 },
    })
    expect(provider.received).toHaveLength(1)
  })

  it('a POST with an idempotency key, whoever made it, with the same key at every attempt', async () => {
    provider.replies = [status(503), status(503), ok]
    const keys = () => provider.received.splice(0).map((entry) => entry.headers['idempotency-key'])

    await send({ method: 'POST', body: 'x', headers: { 'Idempotency-Key': 'mine' } })
    expect(keys()).toEqual(['mine', 'mine', 'mine'])

    provider.replies = [...Array.from({ length: 3 }, () => ok), status(503), status(503), ok]
    await withCallOptions({ idempotencyKey: 'ours' }, () => send({ method: 'POST', body: 'x' }))
    expect(keys()).toEqual(['ours', 'ours', 'ours'])

    dispatcher = new Agent().compose(retry({ ...quick, idempotencyKey: true }))
    provider.replies = [...Array.from({ length: 6 }, () => ok), status(503), ok]
    await send({ method: 'POST', body: 'x' })
    await send({ method: 'GET' })
    const [first, second, ofGet] = keys()
    expect(first).toMatch(/^[0-9a-f-]{36}$/)
    expect(second).toBe(first)
    expect(ofGet).toBeUndefined()
  })

  it.each(['', 'undefined', 'null'])('not a POST whose key is %j', async (key) => {
    provider.replies = [reset, ok]
    const headers = { 'idempotency-key': key }
    await expect(send({ method: 'POST', body: 'x', headers })).rejects.toThrow()
    expect(provider.received).toHaveLength(1)
  })

  it('not a POST whose key is the word for a missing one, and says so once', async () => {
    const warned: string[] = []
    const onWarning = ({ message }: Error): void => void warned.push(message)
    process.on('warning', onWarning)
    try {
      provider.replies = [status(503), status(503)]
      const headers = { 'idempotency-key': String(undefined) }
      for (let n = 0; n < 2; n++) await send({ method: 'POST', body: 'x', headers })
      await new Promise(setImmediate)
    } finally {
      process.off('warning', onWarning)
    }
    expect(warned).toEqual([expect.stringMatching(/sends the word "undefined" as its idempotency key/)])
  })

  it('a POST that the user says is only a search', async () => {
    dispatcher = new Agent().compose(
      retry({ ...quick, isIdempotent: ({ path }) => path.endsWith('/search') }),
    )
    provider.replies = [status(503), ok]
    expect((await send({ method: 'POST', body: 'x' }, `${provider.url}/search`)).status).toBe(200)
  })
})

describe('the final response', () => {
  it('reaches the caller as the server sent it when the attempts are used up', async () => {
    provider.replies = [status(503, { 'x-request-id': 'abc', 'set-cookie': ['a=1', 'b=2'] }, 'still down')]
    const response = await send()
    expect(response.status).toBe(503)
    expect(response.headers.get('x-request-id')).toBe('abc')
    expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2'])
    expect(await response.text()).toBe('still down')
    expect(provider.received).toHaveLength(5)
  })

  it('is the network error itself when there was no response', async () => {
    provider.replies = [reset]
    await expect(send()).rejects.toMatchObject({ name: 'TypeError', cause: { code: 'ECONNRESET' } })
    expect(provider.received).toHaveLength(5)
  })
})

describe('Retry-After', () => {
  it('is waited out to the millisecond, in seconds and as a date', async () => {
    provider.replies = [status(429, { 'retry-after': '1' }), ok]
    await send({ method: 'POST', body: 'x' })
    const [first, second] = provider.received
    expect(second!.at - first!.at).toBeGreaterThanOrEqual(1_000)

    const due = Math.ceil(Date.now() / 1000) * 1000 + 1000
    provider.replies = [ok, ok, status(503, { 'retry-after': new Date(due).toUTCString() }), ok]
    await send()
    expect(Date.now()).toBeGreaterThanOrEqual(due)
  })

  it('beyond maxRetryAfterMs ends the call at once with the response of the server', async () => {
    provider.replies = [status(429, { 'retry-after': '61' }), ok]
    const at = performance.now()
    const response = await send()
    expect(response.status).toBe(429)
    expect(performance.now() - at).toBeLessThan(30_000)
    expect(provider.received).toHaveLength(1)
  })
})

describe('a failed response', () => {
  it('whose body never ends delays nothing', async () => {
    const order: string[] = []
    provider.replies = [
      (_request, response, socket) => {
        socket.once('close', () => order.push('the first is cut off'))
        response.writeHead(503).write('and so on')
      },
      ok,
    ]
    const listen = ({ attempt }: { attempt: number }): number => order.push(`attempt ${attempt}`)
    channels.attemptStart.subscribe(listen)
    expect((await send()).status).toBe(200)
    channels.attemptStart.unsubscribe(listen)
    expect(order.slice(0, 2)).toEqual(['attempt 1', 'attempt 2'])
  })

  it('that is small is read to its end, so that the connection is kept', async () => {
    dispatcher = new Agent({ connections: 1 }).compose(retry({ initialBackoffMs: 30, jitter: 'none' }))
    provider.replies = [status(503, {}, 'x'.repeat(10_000)), ok]
    expect((await send()).status).toBe(200)
    expect(provider.openSockets()).toBe(1)
  })

  it('that says it is large is cut off at once', async () => {
    provider.replies = [
      (_request, response) => void response.writeHead(503, { 'content-length': '1000000' }).write('x'),
      ok,
    ]
    expect((await send()).status).toBe(200)
  })

  it('that is large is cut off after 64 KiB', async () => {
    let written = 0
    provider.replies = [
      (_request, response) => {
        response.writeHead(503)
        const chunk = Buffer.alloc(16_384)
        const more = (): void => {
          while (!response.destroyed && written < 50_000_000) {
            written += chunk.length
            if (!response.write(chunk)) {
              response.once('drain', more)
              return
            }
          }
        }
        more()
      },
      ok,
    ]
    expect((await send()).status).toBe(200)
    expect(written).toBeLessThan(20_000_000)
  })
})

describe('per-call options', () => {
  it('turn retries off, or change them, for one call', async () => {
    provider.replies = [status(503)]
    await withCallOptions({ retry: false }, () => send())
    expect(provider.received).toHaveLength(1)
    await withCallOptions({ retry: { maxAttempts: 2 } }, () => send())
    expect(provider.received).toHaveLength(3)
    await send()
    expect(provider.received).toHaveLength(8)
  })

  it.each([
    [{ retry: { maxAttempts: 0 } }, '`retry.maxAttempts` must be an integer >= 1, got 0'],
    [{ idempotencyKey: 'a b' }, '`idempotencyKey` must be visible ASCII without spaces, got "a b"'],
    [{ idempotencyKey: 'a\r\nx: y' }, 'visible ASCII'],
    [{ idempotencyKey: '' }, '`idempotencyKey` must be a non-empty string'],
    [{ idempotencyKey: 'undefined' }, '`idempotencyKey` must be a key of this call alone, got "undefined"'],
    [{ deadLetter: true }, '`deadLetter` must be false or left out, got true'],
    [{ labels: { a: 1 } }, '`labels.a` must be a string, got 1'],
    [{ orderingKey: '' }, '`orderingKey` must be a non-empty string, got ""'],
    [{ retires: 1 }, 'no option `retires`'],
  ])('%j is refused before anything is sent', (options, message) => {
    expect(() => withCallOptions(options as never, () => send())).toThrow(message)
    expect(provider.received).toHaveLength(0)
  })
})

describe('timeouts', () => {
  it('of an attempt are tried again, and the next attempt has its own time', async () => {
    dispatcher = new Agent().compose(timeout({ ms: 150 }), retry(quick))
    provider.replies = [silence, silence, ok]
    expect((await send()).status).toBe(200)
  })

  it('of the call end a backoff, an attempt, and everything after', async () => {
    provider.replies = [status(503)]
    dispatcher = new Agent().compose(
      retry({ initialBackoffMs: 1_400, backoffMultiplier: 1, jitter: 'none', maxAttempts: 50 }),
      timeout({ ms: 4_000 }),
    )
    const response = await send()
    // a wait that would outlast the call is not begun: the answer of the server is worth more than our error
    expect(response.status).toBe(503)
    // a process that stalls has time for fewer
    const sent = provider.received.length
    expect([2, 3]).toContain(sent)

    provider.replies = [silence]
    await expect(send()).rejects.toMatchObject({
      cause: { code: 'ERR_TIMEOUT', scope: 'call', timeoutMs: 4_000 },
    })
    expect(provider.received).toHaveLength(sent + 1)
  })

  it('end at the headers of the final response, unless they are told to last until its end', async () => {
    provider.replies = [
      ({ url }, response) => {
        response.write('slow')
        if (url === '/slow') setTimeout(() => response.end(' body'), 2_500)
      },
    ]
    const bodyUnder = async (path: string, options: Parameters<typeof timeout>[0]): Promise<string> => {
      const response = await fetch(provider.url + path, via(dispatcher.compose(timeout(options))))
      return await response.text()
    }
    dispatcher = new Agent()
    const whole = bodyUnder('/slow', { ms: 2_000 })
    await expect(bodyUnder('/endless', { ms: 2_000, until: 'end' })).rejects.toThrow()
    expect(await whole).toBe('slow body')
  })

  it('leave no attempt behind that is sent after the call has ended', async () => {
    let answer: (() => void) | undefined
    provider.replies = [(_request, response) => void (answer = () => response.end('late')), ok]
    const client = new Client(provider.url, { pipelining: 1 })
    const blocking = request(provider.url, { dispatcher: client })
    dispatcher = client.compose(timeout({ ms: 100 }), retry({ maxAttempts: 1 }))
    await expect(send({ method: 'POST', body: 'never' })).rejects.toMatchObject({
      cause: { code: 'ERR_TIMEOUT' },
    })
    answer!()
    await (await blocking).body.dump()
    // what the connection takes up next is not the call that has ended
    await (await request(`${provider.url}/next`, { dispatcher: client })).body.dump()
    expect(provider.received.map((entry) => entry.method)).toEqual(['GET', 'GET'])
  })
})

it('says which attempt failed, which wait follows, and nothing when nobody listens', async () => {
  const seen: RetryScheduledEvent[] = []
  const listen = (event: RetryScheduledEvent) => seen.push(event)
  provider.replies = [status(503), status(429, { 'retry-after': '0' }), ok]
  channels.retryScheduled.subscribe(listen)
  await send({}, `${provider.url}/a?token=secret&page=2`)
  channels.retryScheduled.unsubscribe(listen)
  expect(seen.map(({ attempt, statusCode }) => [attempt, statusCode])).toEqual([
    [1, 503],
    [2, 429],
  ])
  expect(seen[0]!.url).toBe(`${provider.url}/a?token=[redacted]&page=2`)
})

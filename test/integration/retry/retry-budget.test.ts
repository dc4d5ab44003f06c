import { Agent, type Dispatcher, request } from 'undici'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  resilience,
  type ResilienceOptions,
  type ResilienceStack,
  type RetryOptions,
  withCallOptions,
  withRetry,
} from '../../../src/index.ts'
import { type CallGivenUpEvent, channels, type RetryScheduledEvent } from '../../../src/telemetry/channels.ts'
import {
  ok,
  type Provider,
  type Reply,
  reset,
  silence,
  startProvider,
  status,
} from '../../support/calls/provider.ts'
import { via } from '../../support/calls/via.ts'

const down = status(503)
let provider: Provider
let stack: ResilienceStack
let dispatcher: Dispatcher

function use(options: ResilienceOptions = {}): void {
  const { retry, ...rest } = options
  stack = resilience({ retry: { initialBackoffMs: 1, ...retry }, circuitBreaker: false, ...rest })
  dispatcher = new Agent().compose(stack)
}
const call = async (path = '/'): Promise<number> => (await fetch(provider.url + path, via(dispatcher))).status
const calls = (count: number): Promise<number[]> => Promise.all(Array.from({ length: count }, () => call()))
const budget = () => stack.retryBudget.state(provider.url)

beforeEach(async () => {
  provider = await startProvider(down)
})
afterEach(async () => {
  await stack.close()
  await dispatcher.destroy()
  await provider.close()
})

describe('the retry budget', () => {
  it('ends the retries of an outage, and hands on the failure as it was', async () => {
    use()
    const statuses = await calls(200)
    expect(new Set(statuses)).toEqual(new Set([503]))
    // each call had room for one retry, and none of the 800 wanted
    expect(provider.received.length).toBeLessThanOrEqual(410)
    const { left, refused } = budget()
    expect(left).toBe(0)
    // but for the few that got all of their four
    expect(refused).toBeGreaterThanOrEqual(150)
    const { items } = await stack.deadLetters.list({ limit: 500 })
    expect(items).toHaveLength(200)
    const { items: refusedItems } = await stack.deadLetters.list({ limit: 500, reason: 'budget' })
    expect(refusedItems).toHaveLength(refused)
    expect(refusedItems[0]).toMatchObject({ response: { statusCode: 503 }, delivery: 'responded' })
  })

  it('lets each call go on as before, however empty it is', async () => {
    use({ retry: { budget: { burst: 1, perSecond: 0, ratio: 0 } } })
    await calls(3)
    provider.start([ok])
    expect(await call()).toBe(200)
  })

  it('is of one origin: the failures of another one take nothing from it', async () => {
    use({ retry: { budget: { burst: 1, perSecond: 0 } } })
    await call()
    expect(budget()).toMatchObject({ left: 0, retries: 1, refused: 1 })
    const other = await startProvider(reset, ok)
    expect((await fetch(other.url, via(dispatcher))).status).toBe(200)
    await other.close()
  })

  it('costs nothing where the provider says when to come back', async () => {
    use({ rateLimit: false, retry: { budget: { burst: 1, perSecond: 0 } } })
    const asked = status(429, { 'retry-after-ms': '1' })
    provider.start([asked, asked, asked, ok])
    expect(await call()).toBe(200)
    expect(budget()).toMatchObject({ left: 1, retries: 0 })
  })

  it('gets back what an open circuit did not let through', async () => {
    use({
      // all have failed once before the first of them tries again
      retry: { initialBackoffMs: 2_000, jitter: 'none' },
      circuitBreaker: { failureThreshold: 10, timeoutMs: 60_000, maxWaitMs: 0 },
    })
    await Promise.allSettled(Array.from({ length: 40 }, () => call()))
    expect(provider.received).toHaveLength(40)
    expect(budget()).toMatchObject({ left: 50, retries: 0, refused: 0 })
  })

  it('gets back what the caller gave up, and what close() ended', async () => {
    use({ retry: { initialBackoffMs: 10_000 } })
    const controller = new AbortController()
    const aborted = fetch(provider.url, via(dispatcher, { signal: controller.signal }))
    const ended = call()
    await expect.poll(() => budget().retries).toBe(2)
    controller.abort()
    await expect(aborted).rejects.toThrow()
    expect(budget().retries).toBe(1)
    await Promise.all([expect(ended).rejects.toThrow(), stack.close()])
    expect(budget().retries).toBe(0)
  })

  it.each<[string, ResilienceOptions]>([
    ['for a permit', { rateLimit: { limits: [{ limit: 2, intervalMs: 30_000 }], maxWaitMs: 60_000 } }],
    ['for a slot', { bulkhead: { limit: 1 } }],
  ])('gets back what never came out of its line %s', async (_, options) => {
    use(options)
    let waiting = 0
    // of the second attempt
    const listener = ({ attempt }: { attempt: number }): void => void (waiting += attempt - 1)
    for (const one of [channels.bulkheadWaiting, channels.limitWaiting]) one.subscribe(listener)
    provider.start([down, silence])
    const [caller, other] = [new AbortController(), new AbortController()]
    const aborted = fetch(provider.url, via(dispatcher, { signal: caller.signal }))
    const served = fetch(provider.url, via(dispatcher, { signal: other.signal }))
    await expect.poll(() => waiting).toBe(1)
    expect(budget().retries).toBe(1)
    caller.abort()
    await expect(aborted).rejects.toThrow()
    for (const one of [channels.bulkheadWaiting, channels.limitWaiting]) one.unsubscribe(listener)
    expect(budget()).toMatchObject({ left: 50, retries: 0 })
    other.abort()
    await expect(served).rejects.toThrow()
  })

  it('is paid by successes and by answers that are none of its failures', async () => {
    use({ retry: { budget: { burst: 4, perSecond: 0, ratio: 0.5 } } })
    await call()
    expect(budget().left).toBe(0)
    provider.start([ok, status(404)])
    await call()
    await call()
    expect(budget().left).toBe(1)
  })

  it('is not asked by a call that says so, nor where it is turned off', async () => {
    use({ retry: { budget: { burst: 1, perSecond: 0 }, maxAttempts: 4 } })
    await call()
    provider.received.length = 0
    await withCallOptions({ retry: { budget: false } }, () => call())
    expect(provider.received).toHaveLength(4)
    await stack.close()
    use({ retry: { budget: false, maxAttempts: 4 } })
    expect(budget().left).toBe(Infinity)
    expect(() => withCallOptions({ retry: { budget: {} as never } }, () => call())).toThrow(
      '`retry.budget` must be true or false, got an object',
    )
  })

  it('is told with each retry, and as the reason of the end', async () => {
    const told: unknown[] = []
    const onRetry = ({ budgetLeft }: RetryScheduledEvent): void => void told.push(budgetLeft)
    const onEnd = ({ reason, attempt }: CallGivenUpEvent): void => void told.push([reason, attempt])
    channels.retryScheduled.subscribe(onRetry)
    channels.callGivenUp.subscribe(onEnd)
    use({ retry: { budget: { burst: 2, perSecond: 0 } } })
    await call()
    channels.retryScheduled.unsubscribe(onRetry)
    channels.callGivenUp.unsubscribe(onEnd)
    expect(told).toEqual([1, 0, ['budget', 3]])
  })
})

describe('a call whose turn finds the budget empty', () => {
  const budgetOfThree = { burst: 3, perSecond: 0, ratio: 1 }
  const useIt = async (retry: RetryOptions = {}): Promise<void> => {
    use({ retry: { budget: budgetOfThree, maxAttempts: 4, ...retry } })
    await withCallOptions({ retry: { initialBackoffMs: 1 } }, () => call())
    expect(budget().left).toBe(0)
    provider.received.length = 0
  }
  /** The answer to the only attempt of a call. */
  const only = async (reply: Reply, retry: RetryOptions = {}) => {
    await useIt(retry)
    provider.start([reply])
    return request(provider.url, { dispatcher })
  }

  it('waits for its next turn, and goes when others have paid', async () => {
    await useIt({ initialBackoffMs: 50 })
    provider.start([down, ok])
    const waiting = call()
    await expect.poll(() => provider.received.length).toBe(1)
    expect(await call()).toBe(200)
    expect(await waiting).toBe(200)
    expect(budget().refused).toBe(0)
  })

  it('gets the response as the server sent it, and so does its dead letter', async () => {
    const sent = status(503, { 'x-trace': 'abc', trailer: 'x-end' }, '{"error":"busy"}')
    const { statusCode, headers, body } = await only(sent)
    expect([statusCode, headers['x-trace'], await body.text()]).toEqual([503, 'abc', '{"error":"busy"}'])
    expect(provider.received).toHaveLength(1)
    const { items } = await stack.deadLetters.list({ reason: 'budget' })
    expect(items[0]).toMatchObject({
      attempts: 1,
      response: { statusCode: 503, body: expect.anything() as unknown },
    })
  })

  it('gets a body that is longer than what is kept at once, and whole', async () => {
    const long = Buffer.alloc(300_000, 'x')
    const chunked: Reply = (_request, response) => {
      response.writeHead(503)
      for (let at = 0; at < long.length; at += 50_000) response.write(long.subarray(at, at + 50_000))
      response.end()
    }
    const started = performance.now()
    const { statusCode, body } = await only(chunked, { initialBackoffMs: 60_000 })
    expect([statusCode, (await body.arrayBuffer()).byteLength]).toEqual([503, 300_000])
    const sized = await only(status(503, { 'content-length': 300_000 }, String(long)), {
      initialBackoffMs: 60_000,
    })
    expect([sized.statusCode, (await sized.body.arrayBuffer()).byteLength]).toEqual([503, 300_000])
    expect(performance.now() - started).toBeLessThan(10_000)
  })

  it('gets a body that breaks as one that breaks', async () => {
    const { statusCode, body } = await only((_request, response, socket) => {
      response.writeHead(503, { 'content-length': 10 }).write('half', () => socket.destroy())
    })
    expect(statusCode).toBe(503)
    await expect(body.text()).rejects.toThrow()
  })

  it('gets the network error as it was', async () => {
    await expect(only(reset)).rejects.toMatchObject({ code: 'ECONNRESET' })
    expect(provider.received).toHaveLength(1)
  })

  it('is let go by an abort at once, and asks for nothing more', async () => {
    await useIt({ initialBackoffMs: 60_000 })
    const controller = new AbortController()
    const held = fetch(provider.url, via(dispatcher, { signal: controller.signal }))
    await expect.poll(() => provider.received.length).toBe(1)
    controller.abort()
    await expect(held).rejects.toMatchObject({ name: 'AbortError' })
    expect(budget()).toMatchObject({ retries: 3, refused: 0 })
  })

  it('is over when it was aborted, timed out or closed: what it kept is cut off, and nothing told', async () => {
    const told: unknown[] = []
    let failed = 0
    const onEnd = ({ reason }: CallGivenUpEvent): void => void told.push(reason)
    const onFailure = (): void => void failed++
    await useIt({ initialBackoffMs: 60_000 })
    channels.callGivenUp.subscribe(onEnd)
    channels.attemptFailed.subscribe(onFailure)
    let open = 0
    provider.start([
      (_request, response) => {
        open++
        response.writeHead(503).write('without an end')
        response.on('close', () => open--)
      },
    ])
    const [caller, late] = [new AbortController(), new AbortController()]
    const ends = [caller.signal, late.signal, null].map((signal) =>
      request(provider.url, { dispatcher, signal }).catch((error: Error) => error.name),
    )
    await expect.poll(() => failed).toBe(3)
    caller.abort()
    late.abort(new DOMException('late', 'TimeoutError'))
    await stack.close()
    expect(await Promise.all(ends)).toEqual(['AbortError', 'TimeoutError', 'ShutdownError'])
    await expect.poll(() => open, { timeout: 5_000 }).toBe(0)
    channels.callGivenUp.unsubscribe(onEnd)
    channels.attemptFailed.unsubscribe(onFailure)
    expect(told).not.toContain('budget')
    expect(budget().refused).toBe(0)
  })
})

describe('the retry budget of functions', () => {
  const fails = (): never => {
    throw Object.assign(new Error('busy'), { statusCode: 503 })
  }
  const options = { initialBackoffMs: 1, maxAttempts: 4, budget: { burst: 4, perSecond: 0 } }
  const attemptsOf = async (integration?: string): Promise<number> => {
    let attempts = 0
    const more = integration === undefined ? {} : { integration }
    await withRetry(() => (attempts++, fails()), { ...options, ...more }).catch(() => undefined)
    return attempts
  }
  beforeEach(() => use())

  it('is shared by the calls of one integration, and is that of no other', async () => {
    expect([await attemptsOf('crm'), await attemptsOf('crm'), await attemptsOf('mail')]).toEqual([4, 2, 4])
    await withRetry(() => 'fine', { ...options, integration: 'crm' })
    expect(await attemptsOf('crm')).toBe(1)
  })

  it('is not there for functions without a label', async () => {
    expect([await attemptsOf(), await attemptsOf(), await attemptsOf()]).toEqual([4, 4, 4])
  })
})

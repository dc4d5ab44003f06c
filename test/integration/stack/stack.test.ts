import {
  Agent,
  type Dispatcher,
  fetch as npmFetch,
  getGlobalDispatcher,
  MockAgent,
  request,
  setGlobalDispatcher,
} from 'undici'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { resilience, type ResilienceStack, withCallOptions } from '../../../src/index.ts'
import {
  ok,
  type Provider,
  reset,
  sha256,
  silence,
  startProvider,
  status,
} from '../../support/calls/provider.ts'
import { startRunClock } from '../../support/calls/turns.ts'
import { via } from '../../support/calls/via.ts'

const quick = { initialBackoffMs: 1 }
let provider: Provider
let stack: ResilienceStack
let dispatcher: Dispatcher

function use(options: Parameters<typeof resilience>[0] = {}, agent: Dispatcher = new Agent()): void {
  stack = resilience({ retry: quick, ...options })
  dispatcher = agent.compose(stack)
}
async function captured() {
  const { items } = await stack.deadLetters.list()
  return items
}

beforeEach(async () => {
  provider = await startProvider()
})
afterEach(async () => {
  await stack.close()
  await dispatcher.close()
  await provider.close()
})

describe('the standard stack', () => {
  it('rescues a call by retries, and keeps no record of it', async () => {
    use()
    provider.replies = [status(503), reset, status(429, { 'retry-after': '0' }), ok]
    expect((await fetch(provider.url, via(dispatcher))).status).toBe(200)
    expect(await captured()).toEqual([])
    expect(stack.circuits.state(provider.url)).toMatchObject({ state: 'closed', requests: 4, failures: 2 })
  })

  it('opens the circuit after repeated failures, and refuses the next call without a request', async () => {
    use({ integration: 'crm', circuitBreaker: { timeoutMs: 60_000, maxWaitMs: 0 } })
    provider.replies = [status(500)]
    for (let call = 0; call < 2; call++) await fetch(provider.url, via(dispatcher)).catch(() => undefined)
    expect(provider.received).toHaveLength(10)
    const sent = provider.received.length
    expect(stack.circuits.state(provider.url).state).toBe('open')
    await expect(fetch(provider.url, via(dispatcher))).rejects.toMatchObject({
      name: 'TypeError',
      cause: {
        name: 'CircuitBreakerOpenError',
        code: 'ERR_CIRCUIT_OPEN',
        key: provider.url,
        integration: 'crm',
        attempts: 0,
      },
    })
    await expect(request(provider.url, { dispatcher })).rejects.toMatchObject({
      name: 'CircuitBreakerOpenError',
    })
    expect(provider.received.length).toBe(sent)
  })

  it('ends the retries of a call whose own failures open the circuit', async () => {
    use({ circuitBreaker: { failureThreshold: 2, timeoutMs: 60_000, maxWaitMs: 0 } })
    provider.replies = [status(500)]
    await expect(fetch(provider.url, via(dispatcher))).rejects.toMatchObject({
      cause: { code: 'ERR_CIRCUIT_OPEN', attempts: 2 },
    })
    expect(provider.received).toHaveLength(2)
    const [letter] = await captured()
    // the last attempt was not sent, but those before it were
    expect(letter).toMatchObject({ reason: 'circuit-open', delivery: 'responded', retryCount: 1 })
  })

  it('recovers by itself: half-open after its time, closed after the probes', async () => {
    use({
      retry: false,
      circuitBreaker: { failureThreshold: 2, timeoutMs: 50, halfOpenMaxAttempts: 1 },
    })
    provider.replies = [status(500), status(500), ok]
    for (let call = 0; call < 2; call++) await fetch(provider.url, via(dispatcher))
    expect(stack.circuits.state(provider.url).state).toBe('open')
    await new Promise((resolve) => setTimeout(resolve, 60))
    expect((await fetch(provider.url, via(dispatcher))).status).toBe(200)
    expect(stack.circuits.state(provider.url).state).toBe('closed')
  })

  it('captures a dead letter after the last attempt, with the body and the whole story', async () => {
    use({ integration: 'crm' })
    provider.replies = [
      status(500),
      reset,
      status(503),
      status(502),
      status(503, { 'content-type': 'text/plain' }, 'still down'),
    ]
    const response = await withCallOptions({ labels: { order: '7' } }, () =>
      fetch(
        `${provider.url}/contacts?api_key=s3cret&page=2`,
        via(dispatcher, {
          method: 'PUT',
          body: JSON.stringify({ name: 'Ada' }),
          headers: { authorization: 'Bearer hidden', 'content-type': 'application/json' },
        }),
      ),
    )
    expect(await response.text()).toBe('still down')
    const [letter, ...more] = await captured()
    expect(more).toEqual([])
    expect(letter).toMatchObject({
      integration: 'crm',
      reason: 'exhausted',
      // one of the attempts was cut off after it was sent
      delivery: 'unknown',
      retryCount: 4,
      labels: { order: '7' },
      replayable: true,
    })
    expect(letter!.history.map((attempt) => attempt.statusCode ?? attempt.code)).toEqual([
      500,
      'ECONNRESET',
      503,
      502,
      503,
    ])
    const whole = await stack.deadLetters.get(letter!.id)
    expect(Buffer.from(whole!.request.body!).toString()).toBe('{"name":"Ada"}')
    expect(whole!.request).toMatchObject({ method: 'PUT', sha256: sha256('{"name":"Ada"}') })
    expect(whole!.response).toMatchObject({ statusCode: 503 })
    expect(JSON.stringify(whole)).not.toMatch(/s3cret|hidden/)
  })

  it.each([
    [
      'a POST that was not retried',
      { method: 'POST', body: 'x' },
      [status(500)],
      { reason: 'not-repeatable', delivery: 'responded', retryCount: 0 },
    ],
    [
      'a POST whose answer never came',
      { method: 'POST', body: 'x' },
      [reset],
      { reason: 'not-repeatable', delivery: 'unknown', retryCount: 0 },
    ],
    [
      'a POST that the provider wants tomorrow',
      { method: 'POST', body: 'x' },
      [status(429, { 'retry-after': '86400' })],
      { delivery: 'responded', retryCount: 0 },
    ],
  ])('captures %s', async (_what, init, replies, expected) => {
    use({})
    provider.replies = replies
    await fetch(provider.url, via(dispatcher, init)).catch(() => undefined)
    const [letter] = await captured()
    expect(letter).toMatchObject(expected)
  })

  it('captures with a call that the provider wants tomorrow the time to come back', async () => {
    use()
    provider.replies = [status(429, { 'retry-after': '86400' })]
    await fetch(provider.url, via(dispatcher, { method: 'POST', body: 'x' }))
    const [letter] = await captured()
    expect(letter!.notBefore).toBeGreaterThan(Date.now() + 86_000_000)
  })

  it('captures a timeout of the call, and none of what the caller aborted or what simply was not there', async () => {
    use({ totalTimeoutMs: 1_000 })
    provider.replies = [silence]
    await expect(fetch(provider.url, via(dispatcher, { method: 'POST', body: 'x' }))).rejects.toMatchObject({
      cause: { scope: 'call' },
    })
    const controller = new AbortController()
    const aborted = fetch(provider.url, via(dispatcher, { signal: controller.signal }))
    controller.abort()
    await expect(aborted).rejects.toThrow()
    provider.replies = [status(404)]
    expect((await fetch(provider.url, via(dispatcher))).status).toBe(404)
    expect((await captured()).map(({ reason, delivery }) => [reason, delivery])).toEqual([
      ['deadline', 'unknown'],
    ])
  })

  it('captures a call that an open circuit refused, with the body that was never pulled', async () => {
    use({})
    await stack.circuits.isolate(provider.url)
    const body = ReadableStream.from([Buffer.from('never '), Buffer.from('pulled')])
    await expect(
      fetch(provider.url, via(dispatcher, { method: 'POST', body, duplex: 'half' })),
    ).rejects.toThrow('fetch failed')
    const [letter] = await captured()
    expect(letter).toMatchObject({
      reason: 'circuit-open',
      delivery: 'not-sent',
      retryCount: 0,
      replayable: true,
    })
    const whole = await stack.deadLetters.get(letter!.id)
    expect(Buffer.from(whole!.request.body!).toString()).toBe('never pulled')
  })

  it('says honestly that a body over the limit cannot be replayed', async () => {
    use({
      deadLetter: { maxBodyBytes: 1_000 },
      retry: { ...quick, maxBodyBytes: 1_000 },
    })
    provider.replies = [status(503)]
    await fetch(provider.url, via(dispatcher, { method: 'PUT', body: 'x'.repeat(1_001) }))
    const [letter] = await captured()
    expect(letter).toMatchObject({ replayable: false })
    expect(provider.received).toHaveLength(1)
  })

  it('remembers with a dead letter that it may be sent twice although it is a POST', async () => {
    use({ retry: { ...quick, isIdempotent: ({ path }) => path === '/search' } })
    provider.replies = [reset]
    await fetch(`${provider.url}/search`, via(dispatcher, { method: 'POST', body: 'x' })).catch(
      () => undefined,
    )
    await fetch(`${provider.url}/create`, via(dispatcher, { method: 'POST', body: 'x' })).catch(
      () => undefined,
    )
    expect((await captured()).map(({ request, repeatable }) => [request.url, repeatable])).toEqual([
      [`${provider.url}/create`, false],
      [`${provider.url}/search`, true],
    ])
  })

  it('lets the user leave reads out', async () => {
    use({
      deadLetter: { capture: (_outcome, byDefault, { method }) => byDefault && method !== 'GET' },
      retry: false,
    })
    provider.replies = [status(503)]
    await fetch(provider.url, via(dispatcher))
    await fetch(provider.url, via(dispatcher, { method: 'PUT', body: 'x' }))
    expect((await captured()).map(({ request: { method } }) => method)).toEqual(['PUT'])
  })

  it('leaves a call alone that says deadLetter: false', async () => {
    use({})
    provider.replies = [status(503)]
    await withCallOptions({ deadLetter: false, retry: false }, () => fetch(provider.url, via(dispatcher)))
    expect(await captured()).toEqual([])
  })

  it('does not hold a 429 against the provider whose body was cut off between attempts', async () => {
    use()
    provider.replies = [
      (_request, response) => void response.writeHead(429, { 'content-length': '1000000' }).write('x'),
      ok,
    ]
    expect((await fetch(provider.url, via(dispatcher))).status).toBe(200)
    expect(stack.circuits.state(provider.url)).toMatchObject({ requests: 2, failures: 0 })
  })

  it('does not hold against the provider what is the fault of the request', async () => {
    use({ circuitBreaker: { failureThreshold: 1 } })
    await expect(request(provider.url, { dispatcher, headers: { 'bad header': 'x' } })).rejects.toMatchObject(
      {
        code: 'UND_ERR_INVALID_ARG',
      },
    )
    expect(stack.circuits.state(provider.url)).toMatchObject({ state: 'closed', failures: 0 })
  })

  it('works as the global dispatcher of built-in fetch and of npm fetch', async () => {
    const before = getGlobalDispatcher()
    use({})
    setGlobalDispatcher(dispatcher)
    provider.replies = [status(503), ok, status(503), ok]
    expect((await fetch(provider.url, { method: 'PUT', body: 'a' })).status).toBe(200)
    expect((await npmFetch(provider.url, { method: 'PUT', body: 'b' })).status).toBe(200)
    setGlobalDispatcher(before)
    expect(provider.received.map(({ body }) => String(body))).toEqual(['a', 'a', 'b', 'b'])
  })

  it('is driven by MockAgent: failures open the circuit without a network', async () => {
    const mock = new MockAgent()
    mock.disableNetConnect()
    use({ circuitBreaker: { timeoutMs: 60_000, maxWaitMs: 0 } }, mock)
    mock.get('https://api.example.com').intercept({ path: '/' }).reply(502, 'bad').times(10)
    await npmFetch('https://api.example.com/', { dispatcher })
    await npmFetch('https://api.example.com/', { dispatcher }).catch(() => undefined)
    expect(stack.circuits.state('https://api.example.com').state).toBe('open')
    await expect(npmFetch('https://api.example.com/', { dispatcher })).rejects.toMatchObject({
      cause: { code: 'ERR_CIRCUIT_OPEN' },
    })
  })
})

describe('classify', () => {
  const classify: NonNullable<Parameters<typeof resilience>[0]>['classify'] = ({ statusCode, body }) => {
    if (statusCode === 500 && body?.includes('"name":"Invalid_Key"')) return { kind: 'permanent' }
    if (statusCode === 403 && body?.includes('too many')) return { kind: 'rate-limited', retryAfterMs: 5 }
    return undefined
  }
  const options = { classify, inspectBody: { statusCodes: [500, 403] } }

  it('takes a 500 for permanent by its body, and the caller gets it whole all the same', async () => {
    use({ ...options })
    const text = JSON.stringify({ name: 'Invalid_Key', filler: 'x'.repeat(30_000) }).replace(
      '"name": ',
      '"name":',
    )
    provider.replies = [status(500, { 'x-answer': 'yes' }, text), ok]
    const response = await fetch(provider.url, via(dispatcher))
    expect(response.status).toBe(500)
    expect(response.headers.get('x-answer')).toBe('yes')
    expect(await response.text()).toBe(text)
    expect(stack.circuits.state(provider.url).failures).toBe(0)
    expect(await captured()).toEqual([])
  })

  it('retries a POST that the body says was refused by a limit', async () => {
    use({ ...options })
    provider.replies = [status(403, {}, 'too many requests'), ok]
    expect((await fetch(provider.url, via(dispatcher, { method: 'POST', body: 'x' }))).status).toBe(200)
    expect(provider.received).toHaveLength(2)
  })

  it('reads a compressed body', async () => {
    const { gzipSync } = await import('node:zlib')
    use({ ...options })
    provider.replies = [
      (_request, response) =>
        void response.writeHead(403, { 'content-encoding': 'gzip' }).end(gzipSync('too many')),
      ok,
    ]
    expect((await fetch(provider.url, via(dispatcher, { method: 'POST', body: 'x' }))).status).toBe(200)
  })

  it('holds a response no longer than a second, and hands on what came', async () => {
    use({ retry: false, ...options })
    provider.replies = [(_request, response) => void response.writeHead(500).write('slow to end')]
    const at = performance.now()
    const ran = startRunClock()
    const response = await fetch(provider.url, via(dispatcher))
    expect(response.status).toBe(500)
    expect(ran()).toBeLessThan(1_500)
    expect(performance.now() - at).toBeGreaterThan(900)
    await response.body!.cancel()
  })

  it('that throws is reported, and the status decides', async () => {
    const logged: unknown[] = []
    const logger = {
      info: () => undefined,
      warn: () => undefined,
      error: (context: object) => logged.push(context),
    }
    use({
      logger,
      classify: () => {
        throw new Error('a bug')
      },
    })
    provider.replies = [status(503), ok]
    expect((await fetch(provider.url, via(dispatcher))).status).toBe(200)
    expect(logged).toContainEqual(expect.objectContaining({ hook: 'classify' }))
  })
})

describe('logs', () => {
  it('tell of attempts, retries, the circuit and the dead letter, each with its context', async () => {
    const lines: [string, Record<string, unknown>, string][] = []
    const log = (level: string) => (context: object, message: string) =>
      void lines.push([level, context as Record<string, unknown>, message])
    use({
      integration: 'crm',
      logger: { info: log('info'), warn: log('warn'), error: log('error') },
      retry: { ...quick, maxAttempts: 2 },
      circuitBreaker: { failureThreshold: 2 },
    })
    provider.replies = [status(503)]
    await fetch(`${provider.url}/a?token=secret`, via(dispatcher)).catch(() => undefined)
    await captured()
    // nothing in a message changes from call to call: they group
    expect(lines.map(([level, , message]) => `${level}: ${message}`)).toEqual([
      'warn: attempt failed',
      'info: retry scheduled',
      'error: circuit closed -> open',
      'warn: attempt failed',
      'error: dead letter captured',
    ])
    const failed = lines.find(([, , message]) => message === 'attempt failed')![1]
    expect(failed).toMatchObject({
      integration: 'crm',
      method: 'GET',
      url: `${provider.url}/a?token=[redacted]`,
      attempt: 1,
      statusCode: 503,
    })
    const letter = lines.find(([, , message]) => message === 'dead letter captured')![1]
    expect(letter['deadLetterId']).toBe((await stack.deadLetters.list()).items[0]!.id)
    expect(JSON.stringify(lines)).not.toContain('secret')
  })

  it('says of a POST that is not retried why, and what would have it retried', async () => {
    const lines: [context: object, message: string][] = []
    const log = (...line: [object, string]): void => void lines.push(line)
    use({ logger: { info: log, warn: log, error: log } })
    provider.replies = [status(500)]
    await fetch(provider.url, via(dispatcher, { method: 'POST' }))
    await captured()
    const why = 'the server may have acted on it; with an idempotency key it is retried'
    expect(lines).toContainEqual([
      expect.objectContaining({ reason: 'not-repeatable', statusCode: 500, why }),
      'dead letter captured',
    ])
    lines.length = 0
    await withCallOptions({ deadLetter: false }, () =>
      fetch(provider.url, via(dispatcher, { method: 'POST' })),
    )
    expect(lines).toContainEqual([
      expect.objectContaining({ reason: 'not-repeatable', statusCode: 500 }),
      `call given up: not-repeatable: ${why}`,
    ])
  })
})

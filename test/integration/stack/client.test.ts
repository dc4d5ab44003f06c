import { Readable } from 'node:stream'
import { Agent, FormData as UndiciFormData } from 'undici'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  isIntegrationError,
  RateLimitError,
  ResilientHttpClient,
  type ResilientHttpClientOptions,
} from '../../../src/index.ts'
import { ok, type Provider, reset, silence, startProvider, status } from '../../support/calls/provider.ts'

let provider: Provider
let client: ResilientHttpClient
const make = (options: ResilientHttpClientOptions = {}) =>
  (client = new ResilientHttpClient({
    integration: 'crm',
    baseUrl: `${provider.url}/v3/`,
    retry: { initialBackoffMs: 1 },
    ...options,
  }))
beforeEach(async () => {
  provider = await startProvider()
})
afterEach(async () => {
  await client.close()
  await provider.close()
})
const failure = (sent: Promise<unknown>) =>
  sent.then(
    () => undefined,
    (error: unknown) => error,
  )

describe('ResilientHttpClient', () => {
  it('joins urls to its base, and adds its headers where a request has none of its own', async () => {
    make({ headers: { authorization: 'Bearer a', accept: 'application/json' } })
    await client.request('/contacts?page=2')
    await client.request('contacts', { headers: { Authorization: 'Bearer b' } })
    await client.request(`${provider.url}/other`)
    expect(provider.received.map(({ url, headers }) => [url, headers.authorization])).toEqual([
      ['/v3/contacts?page=2', 'Bearer a'],
      ['/v3/contacts', 'Bearer b'],
      ['/other', 'Bearer a'],
    ])
  })

  it.each<[object, string]>([
    [
      { body: { x: 1 } },
      '`init.body` must be a body as fetch takes it, got an object: for JSON give `body: JSON.str',
    ],
    [{ body: ['a'] }, '`init.body` must be a body as fetch takes it, got an array: for JSON give'],
    [{ body: new Date() }, '`init.body` must be a body as fetch takes it, got a Date'],
    [{ body: 7 }, '`init.body` must be a body as fetch takes it, got 7'],
    [{ body: new UndiciFormData() }, '`init.body` must be a FormData of the global class'],
    [
      { data: { x: 1 } },
      '`init.data` has no meaning here: give `body: JSON.stringify(...)` and the header content-type',
    ],
    [{ json: 1 }, '`init.json` has no meaning here: give `body: JSON.stringify(...)`'],
    [{ params: { page: 2 } }, '`init.params` has no meaning here: write the query into the url'],
    [{ timeout: 1_000 }, '`init.timeout` has no meaning here: give `signal: AbortSignal.timeout(ms)`'],
    [{ idempotencyKey: 'k' }, '`init.idempotencyKey` has no meaning here: give it to `withCallOptions`'],
    [{ retry: 3 }, '`init.retry` has no meaning here: give it to `withCallOptions`'],
    [{ dispatcher: new Agent() }, '`init.dispatcher` has no meaning here: give `dispatcher` to the client'],
    [{ header: {} }, '`init.header` has no meaning here: fetch knows method, headers, body'],
  ])('refuses what fetch would drop without a word: %o', async (init, message) => {
    make()
    await expect(client.request('/', { method: 'POST', ...init })).rejects.toThrow(message)
    expect(provider.received).toEqual([])
  })

  it('takes every body that fetch takes, and names without a value', async () => {
    make()
    const chunks = async function* (): AsyncGenerator<Uint8Array> {
      yield await Promise.resolve(Buffer.from('a=1'))
    }
    const bytes = Buffer.from('a=1')
    const bodies = [
      'a=1',
      bytes,
      new Uint8Array(bytes).buffer,
      new DataView(new Uint8Array(bytes).buffer),
      new Blob(['a=1']),
      new URLSearchParams({ a: '1' }),
      new Blob(['a=1']).stream(),
      Readable.from([bytes]),
      chunks(),
    ]
    for (const body of bodies) {
      await client.request('/', { method: 'PUT', duplex: 'half', body, timeout: undefined } as never)
    }
    expect(provider.received.map(({ body }) => String(body))).toEqual(bodies.map(() => 'a=1'))
  })

  it('gives back a Response of the platform, after retries', async () => {
    make()
    provider.replies = [status(503), reset, ok]
    const response = await client.request('/', { method: 'PUT', body: new URLSearchParams({ a: '1' }) })
    expect(response).toBeInstanceOf(Response)
    expect(await response.text()).toBe('ok')
    expect(provider.received.map(({ body }) => String(body))).toEqual(['a=1', 'a=1', 'a=1'])
  })

  it('sends a FormData of the platform whole', async () => {
    make()
    provider.replies = [status(503), ok]
    const form = new FormData()
    form.append('file', new Blob(['content']), 'a.txt')
    await client.request('/', { method: 'PUT', body: form })
    expect(provider.received).toHaveLength(2)
    expect(String(provider.received[1]!.body)).toContain('content')
    expect(provider.received[1]!.sha256).toBe(provider.received[0]!.sha256)
  })

  it('throws an IntegrationError for a response that is not ok, with what the provider said', async () => {
    make()
    provider.replies = [status(404, { 'x-request-id': 'r-1' }, '{"message":"no such contact"}')]
    const error = await failure(client.request('/contacts/1?token=secret'))
    expect(error).toMatchObject({
      name: 'IntegrationError',
      code: 'ERR_HTTP_STATUS',
      statusCode: 404,
      integration: 'crm',
      method: 'GET',
      attempts: 1,
      requestId: 'r-1',
    })
    expect((error as Error).message).toContain('no such contact')
    expect(JSON.stringify(error) + (error as Error).message).not.toContain('secret')
  })

  it('throws a RateLimitError with the wait, and the id of the dead letter, after the last 429', async () => {
    make({ retry: { initialBackoffMs: 1, maxAttempts: 2 } })
    provider.replies = [status(429, { 'retry-after': '0' }), status(429, { 'retry-after': '7' })]
    const error = await failure(client.request('/', { method: 'POST', body: 'x' }))
    expect(error).toBeInstanceOf(RateLimitError)
    expect(error).toMatchObject({ statusCode: 429, retryAfterMs: 7_000, attempts: 2 })
    const { items } = await client.deadLetters.list()
    expect(items.map(({ id }) => id)).toEqual([(error as RateLimitError).deadLetterId])
  })

  it('throws an IntegrationError with the network error as its cause', async () => {
    make({ retry: false })
    provider.replies = [reset]
    const error = await failure(client.request('/', { method: 'POST', body: 'x' }))
    expect(isIntegrationError(error)).toBe(true)
    expect(error).toMatchObject({ code: 'ERR_NETWORK', attempts: 1, cause: { code: 'ECONNRESET' } })
    expect((error as { deadLetterId?: string }).deadLetterId).toMatch(/^[0-9a-f-]{36}$/)
  })

  it('throws our own errors as themselves, not behind a TypeError', async () => {
    make({ retry: false, attemptTimeoutMs: 50 })
    provider.replies = [silence]
    expect(await failure(client.request('/'))).toMatchObject({
      name: 'RequestTimeoutError',
      scope: 'attempt',
    })
    await client.circuits.isolate(provider.url)
    expect(await failure(client.request('/'))).toMatchObject({
      name: 'CircuitBreakerOpenError',
      key: provider.url,
      attempts: 0,
    })
  })

  it('rejects with the reason of the caller’s own abort', async () => {
    make()
    provider.replies = [silence]
    const controller = new AbortController()
    const sent = failure(client.request('/', { signal: controller.signal }))
    controller.abort(new Error('left'))
    expect(await sent).toMatchObject({ message: 'left' })
  })

  it('leaves an agent open that it was given, and closes its own', async () => {
    const agent = new Agent()
    make({ dispatcher: agent })
    await client.request('/')
    await client.close()
    expect((await agent.request({ origin: provider.url, path: '/', method: 'GET' })).statusCode).toBe(200)
    await agent.close()
    make()
    await client.request('/')
    await client.close()
    await expect(client.request('/')).rejects.toThrow()
  })

  it('has the handles of its stack', async () => {
    make()
    await client.limits.cool(provider.url, 60_000)
    expect(client.limits.state(provider.url).coolUntil).toBeGreaterThan(Date.now())
    await client.limits.clear(provider.url)
    await client.request('/')
    expect(client.circuits.state(provider.url).requests).toBe(1)
  })

  it('refuses a relative url without a base before anything is sent', async () => {
    client = new ResilientHttpClient()
    await expect(client.request('/contacts')).rejects.toThrow(
      '`url` must be absolute without `baseUrl`, got "/contacts"',
    )
  })
})

import { Agent, fetch, request } from 'undici'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  CircuitBreaker,
  type IntegrationError,
  resilience,
  type ResilienceOptions,
  ResilientHttpClient,
  withRetry,
} from '../../../src/index.ts'
import { type Provider, silence, startProvider, status } from '../../support/calls/provider.ts'

let provider: Provider
const ends: (() => Promise<void>)[] = []

beforeEach(async () => {
  provider = await startProvider(silence)
})
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
  await provider.close()
})

const failure = (work: Promise<unknown>): Promise<IntegrationError> =>
  work.then(
    () => expect.unreachable() as never,
    (error: unknown) => error as IntegrationError,
  )

function sender(options: ResilienceOptions): (path: string) => Promise<IntegrationError> {
  const stack = resilience({ integration: 'crm', retry: false, ...options })
  const dispatcher = new Agent().compose(stack)
  ends.push(async () => {
    await stack.close()
    await dispatcher.destroy()
  })
  return (path) => failure(request(`${provider.url}${path}`, { dispatcher }))
}

describe('messages of one kind are the same, and name integration, method and url', () => {
  it.each([
    ['an attempt', { attemptTimeoutMs: 20 }, 'the attempt timed out', { scope: 'attempt', timeoutMs: 20 }],
    ['a call', { totalTimeoutMs: 30 }, 'the call timed out', { scope: 'call', timeoutMs: 30 }],
  ])('a timeout of %s', async (_what, options, said, fields) => {
    const send = sender({ circuitBreaker: false, ...options })
    const errors = [await send('/items?page=1'), await send('/items?page=2&token=s3cr3t')]
    for (const error of errors) {
      expect(error).toMatchObject({
        name: 'RequestTimeoutError',
        message: `crm: GET ${provider.url}/items: ${said}`,
        integration: 'crm',
        method: 'GET',
        attempts: 1,
        ...fields,
      })
    }
    expect(errors[1]!.url).toBe(`${provider.url}/items?page=2&token=[redacted]`)
  })

  it('an open circuit', async () => {
    const send = sender({
      attemptTimeoutMs: 20,
      circuitBreaker: {
        failureThreshold: 1,
        minimumRequests: 1,
        failureRate: 0,
        timeoutMs: 60_000,
        maxWaitMs: 0,
      },
    })
    await send('/items')
    const messages = new Set<string>()
    for (let i = 0; i < 3; i++) {
      const error = await send('/items')
      expect(error).toMatchObject({ name: 'CircuitBreakerOpenError', key: provider.url })
      messages.add(error.message)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    expect([...messages]).toEqual([`crm: GET ${provider.url}/items: the circuit ${provider.url} is open`])
  })

  it('a client', async () => {
    const client = new ResilientHttpClient({ integration: 'crm', baseUrl: provider.url, retry: false })
    ends.push(() => client.close())
    provider.start([status(404, {}, '{"message":"no such contact, see https://a.example/?token=s3cr3t"}')])
    const missing = await failure(client.request('/items/1?token=s3cr3t'))
    expect(missing.message).toBe(
      `crm: GET ${provider.url}/items/1 answered 404: no such contact, see https://a.example/?token=[redacted]`,
    )
    provider.start([(_request, _response, socket) => void socket.destroy()])
    const broken = await failure(client.request('/bot1:s3cr3t/x'))
    expect(broken.message).toBe(`crm: GET ${provider.url}/bot[redacted]/x failed: UND_ERR_SOCKET`)
  })
})

describe('the stack of a timeout', () => {
  it('is that of whoever called a function', async () => {
    async function chargeTheCard(): Promise<unknown> {
      return await withRetry(() => new Promise(() => undefined), { totalTimeoutMs: 20, integration: 'crm' })
    }
    const error = await failure(chargeTheCard())
    expect(error.message).toBe('crm: the call timed out')
    expect(error.stack).toMatch(/at (?:async )?chargeTheCard/)
  })

  it('is that of whoever called a client', async () => {
    const client = new ResilientHttpClient({ attemptTimeoutMs: 20, retry: false })
    ends.push(() => client.close())
    async function listContacts(): Promise<unknown> {
      return await client.request(provider.url)
    }
    expect((await failure(listContacts())).stack).toMatch(/at (?:async )?listContacts/)
  })

  it('is that of whoever called a breaker', async () => {
    const breaker = new CircuitBreaker({
      failureThreshold: 1,
      minimumRequests: 1,
      failureRate: 0,
      timeoutMs: 1,
      maxWaitMs: 0,
      probeTimeoutMs: 20,
    })
    ends.push(() => breaker.close())
    await failure(breaker.execute(() => Promise.reject(new Error('down'))))
    await new Promise((resolve) => setTimeout(resolve, 5))
    async function readTheLedger(): Promise<unknown> {
      return await breaker.execute(() => new Promise(() => undefined))
    }
    const error = await failure(readTheLedger())
    expect(error.message).toMatch(/^default: the probe of the circuit .* timed out$/)
    expect(error.stack).toMatch(/at (?:async )?readTheLedger/)
  })

  it('is on the error of fetch, whose cause it is', async () => {
    const stack = resilience({ attemptTimeoutMs: 20, retry: false })
    const dispatcher = new Agent().compose(stack)
    ends.push(() => dispatcher.destroy())
    async function syncInvoices(): Promise<unknown> {
      return await fetch(provider.url, { dispatcher })
    }
    const error = await failure(syncInvoices())
    expect(error.stack).toMatch(/at (?:async )?syncInvoices/)
    expect(error.cause).toMatchObject({ code: 'ERR_TIMEOUT' })
  })

  it('of an error that a function threw itself is left alone', async () => {
    const own = await failure(Promise.reject(new Error('mine')))
    const { stack } = own
    expect((await failure(withRetry(() => Promise.reject(own), { maxAttempts: 1 }))).stack).toBe(stack)
  })
})

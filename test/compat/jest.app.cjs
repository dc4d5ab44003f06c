// What an application under Jest in its default configuration does with the package: `require`, real servers, errors of
// Node's own, which are of another realm to what Jest has loaded. Copied to `app.test.js` of a folder without "type".
const { createServer } = require('node:http')
const { once } = require('node:events')
const { Agent, MockAgent, fetch, request } = require('undici')
const {
  CircuitBreaker,
  CircuitBreakerOpenError,
  IntegrationError,
  RequestTimeoutError,
  ResilientHttpClient,
  channels,
  memoryStore,
  resilience,
  withRetry,
} = require('undici-resilience')
const { sqliteStore } = require('undici-resilience/sqlite')
const { createHubSpotClient } = require('undici-resilience/providers/hubspot')

const servers = []
async function serve(answer) {
  const server = createServer(answer).listen(0, '127.0.0.1')
  servers.push(server)
  await once(server, 'listening')
  return `http://127.0.0.1:${server.address().port}`
}
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
})

test('retries by fetch and by request, with a body', async () => {
  let asked = 0
  const bodies = []
  const url = await serve(async (received, response) => {
    let body = ''
    for await (const chunk of received) body += chunk
    bodies.push(body)
    response.writeHead(++asked % 2 === 1 ? 503 : 200).end('answer')
  })
  const stack = resilience({ retry: { initialBackoffMs: 5 } })
  const dispatcher = new Agent().compose(stack)
  const response = await fetch(url, { dispatcher, method: 'PUT', body: 'sent' })
  expect([response.status, await response.text()]).toEqual([200, 'answer'])
  const { statusCode, body } = await request(url, { dispatcher, method: 'PUT', body: Buffer.from('sent') })
  await body.dump()
  expect(statusCode).toBe(200)
  expect(bodies).toEqual(['sent', 'sent', 'sent', 'sent'])
  await stack.close()
})

test('knows the errors of Node itself: a refused connection is kept with its code', async () => {
  const url = await serve(() => undefined)
  servers.pop().close()
  const store = sqliteStore(':memory:')
  const stack = resilience({ store, retry: { maxAttempts: 2, initialBackoffMs: 5 } })
  const failure = await fetch(url, { dispatcher: new Agent().compose(stack) }).catch((error) => error)
  expect(failure.cause.code).toBe('ECONNREFUSED')
  const { items } = await stack.deadLetters.list()
  expect(items.map(({ error, reason, delivery }) => [error.code, reason, delivery])).toEqual([
    ['ECONNREFUSED', 'exhausted', 'not-sent'],
  ])
  await stack.close()
  await store.close()
})

test('ends what takes too long, by its own timeout and by that of the caller', async () => {
  const url = await serve(() => undefined)
  const stack = resilience({ attemptTimeoutMs: 40, retry: { maxAttempts: 2, initialBackoffMs: 5 } })
  const dispatcher = new Agent().compose(stack)
  const failure = await fetch(url, { dispatcher }).catch((error) => error)
  expect(failure.cause).toBeInstanceOf(RequestTimeoutError)
  const signal = AbortSignal.timeout(20)
  expect((await fetch(url, { dispatcher, signal }).catch((error) => error)).name).toBe('TimeoutError')
  const { items } = await stack.deadLetters.list()
  expect(items.map(({ reason }) => reason).sort()).toEqual(['deadline', 'exhausted'])
  await stack.close()
})

test('works with MockAgent', async () => {
  const mock = new MockAgent()
  mock.disableNetConnect()
  const pool = mock.get('https://api.example.com')
  pool.intercept({ path: '/' }).reply(429, '', { headers: { 'retry-after': '0' } })
  pool.intercept({ path: '/' }).reply(200, 'ok')
  const stack = resilience({ retry: { initialBackoffMs: 1 }, rateLimit: false })
  const { body } = await request('https://api.example.com/', { dispatcher: mock.compose(stack) })
  expect(await body.text()).toBe('ok')
  await stack.close()
  await mock.close()
})

test('offers the functions and clients, with one class of each error', async () => {
  let tries = 0
  const flaky = () => (++tries < 3 ? Promise.reject(new Error('not yet')) : Promise.resolve('done'))
  expect(await withRetry(flaky, { initialBackoffMs: 1 })).toBe('done')
  const breaker = new CircuitBreaker({
    failureThreshold: 1,
    failureRate: 0,
    minimumRequests: 1,
    maxWaitMs: 0,
  })
  await breaker.execute(() => Promise.reject(new Error('down'))).catch(() => undefined)
  await expect(breaker.execute(() => Promise.resolve())).rejects.toBeInstanceOf(CircuitBreakerOpenError)
  const url = await serve((_received, response) => response.writeHead(404).end('{}'))
  const client = new ResilientHttpClient({ baseUrl: url, store: memoryStore() })
  const failure = await client.request('/contacts/1').catch((error) => error)
  expect(failure).toBeInstanceOf(IntegrationError)
  expect(failure.statusCode).toBe(404)
  const hubspot = createHubSpotClient({ accessToken: 'x', baseUrl: url })
  const ofHubSpot = await hubspot.request('/crm/v3/objects/contacts/1').catch((error) => error)
  expect(ofHubSpot).toBeInstanceOf(IntegrationError)
  expect(channels.callDone.name).toBe('undici-resilience:call:done')
  await breaker.close?.()
})

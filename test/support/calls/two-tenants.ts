import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { type Agent, type Dispatcher, fetch as npmFetch, request } from 'undici'
import { type Provider, ok, status } from './provider.ts'
import { via } from './via.ts'

/** What the check needs of the package, from source or as it is built. */
interface Parts {
  Agent: typeof Agent
  resilience: typeof import('undici-resilience').resilience
  channels: typeof import('undici-resilience').channels
}

export const tenantSenders = ['built-in fetch', 'npm fetch', 'request'] as const

async function send(sender: (typeof tenantSenders)[number], url: string, dispatcher: Dispatcher) {
  if (sender === 'request') {
    const { body, statusCode } = await request(url, { dispatcher })
    await body.dump()
    return statusCode
  }
  const response =
    sender === 'npm fetch' ? await npmFetch(url, { dispatcher }) : await fetch(url, via(dispatcher))
  await response.text()
  return response.status
}

/**
 * Alice's call opens the one connection; Bob's calls on it fail, one for a while and one for good. Whatever happens for
 * Bob, on the wire, in hooks, logs and events, must happen in Bob's async context.
 */
export async function checkTwoTenants(
  sender: (typeof tenantSenders)[number],
  provider: Provider,
  { Agent, resilience, channels }: Parts,
): Promise<void> {
  const tenant = new AsyncLocalStorage<string>()
  const heard: string[] = []
  const note = (what: string): void => void heard.push(`${what}: ${tenant.getStore() ?? 'nobody'}`)
  const stack = resilience({
    retry: {
      initialBackoffMs: 1,
      maxAttempts: 2,
      isRetryableError: () => {
        note('isRetryableError')
        return undefined
      },
    },
    circuitBreaker: {
      failureThreshold: 3,
      failureRate: 0,
      isFailure: (outcome) => {
        note('isFailure')
        return outcome.kind === 'error' || outcome.statusCode >= 500
      },
    },
    classify: () => {
      note('classify')
      return undefined
    },
    deadLetter: {
      capture: (_outcome, byDefault) => {
        note('capture')
        return byDefault
      },
      orderingKey: () => {
        note('orderingKey')
        return undefined
      },
    },
    logger: { info: (_, text) => note(text), warn: (_, text) => note(text), error: (_, text) => note(text) },
  })
  /** Reads the token from the caller's context, as applications do. */
  const authorize: Dispatcher.DispatcherComposeInterceptor = (dispatch) => (options, handler) => {
    const headers = {
      ...(options.headers as Record<string, string>),
      'x-tenant': tenant.getStore() ?? 'nobody',
    }
    return dispatch({ ...options, headers }, handler)
  }
  const dispatcher = new Agent({ connections: 1 }).compose(authorize, stack)
  const listen = (_event: unknown, name: string | symbol): void => note(String(name))
  const all = Object.values(channels)
  try {
    provider.start([ok])
    await tenant.run('alice', () => send(sender, provider.url, dispatcher))
    const ports = new Set(provider.received.map(({ port }) => port))
    heard.length = 0
    for (const channel of all) channel.subscribe(listen)
    provider.start([status(503), ok])
    assert.equal(await tenant.run('bob', () => send(sender, provider.url, dispatcher)), 200)
    const first = provider.received.map(({ headers }) => headers['x-tenant'])
    for (const { port } of provider.received) ports.add(port)
    provider.start([status(503), status(500)])
    assert.equal(await tenant.run('bob', () => send(sender, provider.url, dispatcher)), 500)
    await stack.deadLetters.stats()
    const second = provider.received.map(({ headers }) => headers['x-tenant'])
    for (const { port } of provider.received) ports.add(port)
    // not by open sockets: those of an earlier check may close meanwhile
    assert.equal(ports.size, 1, 'the connection was reused')
    assert.deepEqual([...first, ...second], ['bob', 'bob', 'bob', 'bob'])
    assert.deepEqual([...new Set(heard.filter((line) => !line.endsWith(': bob')))], [])
    for (const what of [
      'classify',
      'isFailure',
      'capture',
      'orderingKey',
      'attempt failed',
      'dead letter captured',
      'circuit closed -> open',
    ]) {
      assert.ok(
        heard.some((line) => line.startsWith(what)),
        `${what} was heard`,
      )
    }
    for (const what of [
      'attempt:start',
      'attempt:done',
      'attempt:failed',
      'call:start',
      'call:done',
      'circuit:changed',
    ]) {
      assert.ok(heard.includes(`undici-resilience:${what}: bob`), `${what} was heard`)
    }
  } finally {
    for (const channel of all) channel.unsubscribe(listen)
    await stack.close()
    await dispatcher.close()
  }
}

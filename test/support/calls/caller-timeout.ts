import assert from 'node:assert/strict'
import { type Agent, type Dispatcher, fetch as npmFetch, request } from 'undici'
import { type Provider, silence } from './provider.ts'
import { via } from './via.ts'

interface Parts {
  Agent: typeof Agent
  resilience: typeof import('undici-resilience').resilience
}

export const timeoutSenders = ['built-in fetch', 'npm fetch', 'request'] as const

/**
 * `AbortSignal.timeout()` of the caller around an API that hangs: the caller has its reason, nothing is tried again, each
 * counts against the circuit and becomes a dead letter.
 */
export async function checkCallerTimeout(
  sender: (typeof timeoutSenders)[number],
  provider: Provider,
  { Agent, resilience }: Parts,
): Promise<void> {
  provider.start([silence])
  const stack = resilience({
    circuitBreaker: { failureThreshold: 3, minimumRequests: 3, failureRate: 0, maxWaitMs: 0 },
  })
  const dispatcher = new Agent().compose(stack)
  const send = (): Promise<unknown> => sendWith(sender, provider.url, dispatcher, AbortSignal.timeout(1_200))
  const results = await Promise.allSettled([send(), send(), send()])
  const names = results.map((result) => (result as { reason?: Error }).reason?.name)
  assert.deepEqual(names, ['TimeoutError', 'TimeoutError', 'TimeoutError'])
  assert.equal(provider.received.length, 3)
  assert.equal(stack.circuits.state(provider.url).state, 'open')
  const { items } = await stack.deadLetters.list()
  assert.deepEqual(
    items.map(({ reason, attempts }) => [reason, attempts]),
    Array.from({ length: 3 }, () => ['deadline', 1]),
  )
  await stack.close()
  await dispatcher.destroy()
}

function sendWith(
  sender: (typeof timeoutSenders)[number],
  url: string,
  dispatcher: Dispatcher,
  signal: AbortSignal,
): Promise<unknown> {
  if (sender === 'request') return request(url, { dispatcher, signal })
  return sender === 'npm fetch'
    ? npmFetch(url, { dispatcher, signal })
    : fetch(url, via(dispatcher, { signal }))
}

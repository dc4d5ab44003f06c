import { execFile } from 'node:child_process'
import { getEventListeners } from 'node:events'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Agent, Client, type Dispatcher, fetch as npmFetch, request } from 'undici'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { retry } from '../../../src/retry/interceptor.ts'
import { channels } from '../../../src/telemetry/channels.ts'
import { timeout } from '../../../src/timeout/interceptor.ts'
import { ok, type Provider, silence, startProvider, status } from '../../support/calls/provider.ts'
import { turnsUntil } from '../../support/calls/turns.ts'
import { via } from '../../support/calls/via.ts'

let provider: Provider
let dispatcher: Dispatcher
beforeEach(async () => {
  provider = await startProvider()
})
afterEach(async () => {
  await dispatcher.destroy()
  await provider.close()
})

type Send = (signal: AbortSignal) => Promise<unknown>
const senders: Record<string, Send> = {
  'built-in fetch': (signal) => fetch(provider.url, via(dispatcher, { signal })),
  'npm fetch': (signal) => npmFetch(provider.url, { signal, dispatcher }),
  'undici.request': (signal) => request(provider.url, { signal, dispatcher }),
}

/** Turns of the event loop that an abort "at once" may take: a timer of 50 ms takes tens of thousands. */
const AT_ONCE = 1_000

async function rejectionTime(
  send: Send,
  abortWhen: () => Promise<void>,
): Promise<{ error: unknown; turns: number }> {
  const controller = new AbortController()
  const reason = new Error('the user left')
  const sent = send(controller.signal).then(
    () => undefined,
    (error: unknown) => error,
  )
  await abortWhen()
  controller.abort(reason)
  const turns = await turnsUntil(sent)
  const error = await sent
  expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0)
  return { error, turns }
}

/** Resolves when a call begins to wait for its next attempt. */
function backoff(): Promise<void> {
  return new Promise((resolve) => {
    const heard = (): void => {
      channels.retryScheduled.unsubscribe(heard)
      resolve()
    }
    channels.retryScheduled.subscribe(heard)
  })
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1))
}

describe.each(Object.keys(senders))('an abort through %s', (sender) => {
  it('before the first attempt sends nothing', async () => {
    dispatcher = new Agent().compose(retry())
    await expect(senders[sender]!(AbortSignal.abort(new Error('left')))).rejects.toThrow('left')
    expect(provider.received).toHaveLength(0)
  })

  it('while a connection is awaited rejects at once, and the request is never sent', async () => {
    // one connection, taken by a request that is never answered
    const client = new Client(provider.url, { pipelining: 1 })
    dispatcher = client.compose(retry())
    provider.replies = [silence]
    const blocking = request(provider.url, { dispatcher }).catch(() => undefined)
    await until(() => provider.received.length === 1)
    const { error, turns } = await rejectionTime(senders[sender]!, async () => undefined)
    expect(error).toMatchObject({ message: 'the user left' })
    expect(turns).toBeLessThan(AT_ONCE)
    await client.destroy()
    await blocking
    expect(provider.received).toHaveLength(1)
  })

  it('during an attempt rejects at once, and no attempt follows', async () => {
    provider.replies = [silence]
    dispatcher = new Agent().compose(timeout({ ms: 60_000 }), retry({ initialBackoffMs: 1, jitter: 'none' }))
    const { error, turns } = await rejectionTime(senders[sender]!, () =>
      until(() => provider.received.length === 1),
    )
    expect(error).toMatchObject({ message: 'the user left' })
    expect(turns).toBeLessThan(AT_ONCE)
    await until(() => provider.openSockets() === 0)
    expect(provider.received).toHaveLength(1)
  })

  it('during a backoff rejects at once, and no attempt follows', async () => {
    provider.replies = [status(503), ok]
    dispatcher = new Agent().compose(retry({ initialBackoffMs: 200, jitter: 'none' }))
    const { error, turns } = await rejectionTime(senders[sender]!, backoff)
    expect(error).toMatchObject({ message: 'the user left' })
    expect(turns).toBeLessThan(AT_ONCE)
    await new Promise((resolve) => setTimeout(resolve, 250))
    expect(provider.received).toHaveLength(1)
  })

  it('during the backoff after a refused connection rejects with the reason', async () => {
    const gone = await startProvider()
    const { url } = gone
    await gone.close()
    dispatcher = new Agent().compose(retry({ initialBackoffMs: 10_000, jitter: 'none' }))
    const sendTo: Send = (signal) =>
      sender === 'undici.request'
        ? request(url, { signal, dispatcher })
        : sender === 'npm fetch'
          ? npmFetch(url, { signal, dispatcher })
          : fetch(url, via(dispatcher, { signal }))
    const { error, turns } = await rejectionTime(sendTo, backoff)
    expect(error).toMatchObject({ message: 'the user left' })
    expect(turns).toBeLessThan(AT_ONCE)
  })
})

it('an abort while the body comes reaches the connection', async () => {
  provider.replies = [(_request, response) => void response.write('first part')]
  dispatcher = new Agent().compose(retry())
  const controller = new AbortController()
  const response = await npmFetch(provider.url, { signal: controller.signal, dispatcher })
  const reading = response.text()
  controller.abort(new Error('enough'))
  await expect(reading).rejects.toThrow('enough')
  await until(() => provider.openSockets() === 0)
})

it('an abort in an attempt or in a backoff leaves nothing behind that keeps the process alive', async () => {
  dispatcher = new Agent()
  const support = join(import.meta.dirname, '../../support')
  const child = [join(support, 'register.ts'), join(support, 'processes/abort-exit-child.ts')] as const
  // a timer that was forgotten would last a minute
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', ...child], { timeout: 40_000 })
  expect(stdout).toBe('aborted\naborted\n')
})

it('an abort, an operator and `close` in a wait for a short opening leave nothing behind that keeps the process alive', async () => {
  dispatcher = new Agent()
  const support = join(import.meta.dirname, '../../support')
  const child = [join(support, 'register.ts'), join(support, 'processes/line-exit-child.ts')] as const
  // a timer that was forgotten would last a minute
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', ...child], { timeout: 40_000 })
  expect(stdout).toBe('aborted\nERR_CIRCUIT_OPEN\nERR_SHUTDOWN\n')
})

it('twenty attempts add no listener to the caller: no MaxListenersExceededWarning', async () => {
  const warnings: Error[] = []
  const onWarning = (warning: Error) => warnings.push(warning)
  process.on('warning', onWarning)
  provider.replies = [...Array.from({ length: 19 }, () => status(503)), ok]
  dispatcher = new Agent().compose(retry({ maxAttempts: 20, initialBackoffMs: 0 }))
  const { signal } = new AbortController()
  const response = await fetch(provider.url, via(dispatcher, { signal }))
  expect(response.status).toBe(200)
  const second = await request(provider.url, { signal, dispatcher })
  await second.body.dump()
  await new Promise((resolve) => setImmediate(resolve))
  process.off('warning', onWarning)
  expect(provider.received).toHaveLength(21)
  expect(warnings).toEqual([])
})

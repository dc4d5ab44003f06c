import type { Dispatcher } from 'undici'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { deadLetter } from '../../../src/dead-letter/interceptor.ts'
import type { Verdict } from '../../../src/http/outcome.ts'
import { resilience, type ResilienceOptions } from '../../../src/resilience.ts'
import { retry } from '../../../src/retry/interceptor.ts'
import { type CallGivenUpEvent, channels } from '../../../src/telemetry/channels.ts'
import { withCallOptions } from '../../../src/with-call-options.ts'
import { ScriptedDispatcher } from '../../support/calls/scripted-dispatcher.ts'

const reset = Object.assign(new Error('reset'), { code: 'ECONNRESET' })
const once = { maxAttempts: 2, initialBackoffMs: 1, jitter: 'none' } as const
const lost = { integration: 'default', method: 'PUT', url: 'http://crm.test/a?token=[redacted]' }

let lines: Record<string, unknown>[]
let events: CallGivenUpEvent[]
let closers: (() => Promise<void>)[]
let controller: Dispatcher.DispatchController
const hear = (event: CallGivenUpEvent): void => void events.push(event)
beforeEach(() => {
  lines = []
  events = []
  closers = []
  channels.callGivenUp.subscribe(hear)
})
afterEach(async () => {
  channels.callGivenUp.unsubscribe(hear)
  for (const close of closers) await close()
})

/** Lines of lost calls alone: those of attempts have a level of their own. */
function logger(by?: string) {
  const note = (context: object, msg: string): void => void lines.push({ ...context, msg, by })
  return { info: () => undefined, warn: () => undefined, error: note }
}

const made = <Made extends { close(): unknown }>(one: Made): Made => {
  closers.push(async () => void (await one.close()))
  return one
}
const stackOf = (options: ResilienceOptions) =>
  made(resilience({ retry: once, circuitBreaker: false, logger: logger(), ...options }))

/** A call of which every attempt fails, to its end. */
async function lose(
  layers: Dispatcher.DispatcherComposeInterceptor[],
  { status, method = 'PUT' }: { status?: number; method?: string } = {},
): Promise<void> {
  const server = new ScriptedDispatcher()
  server.answer = (attempt) => {
    if (status === undefined) attempt.start().fail(reset)
    else attempt.respond(status)
  }
  const { promise: over, resolve } = Promise.withResolvers<void>()
  const options = { origin: 'http://crm.test', path: '/a?token=x', method } as never
  server.compose(...layers).dispatch(options, {
    onRequestStart: (given) => void (controller = given),
    onResponseStart: () => undefined,
    onResponseEnd: () => resolve(),
    onResponseError: () => resolve(),
  })
  await over
  // what was captured is made in microtasks
  await new Promise((resolve) => setImmediate(resolve))
}

describe('a lost call is one line,', () => {
  it('that of its dead letter, which says all, where it has one; the event of the call given up is told as well', async () => {
    const stack = stackOf({})
    await withCallOptions({ labels: { order: '7' } }, () => lose([stack]))
    const [entry] = (await stack.deadLetters.list()).items
    const deadLetterId = entry!.id
    expect(lines).toMatchObject([
      {
        ...lost,
        msg: 'dead letter captured',
        reason: 'exhausted',
        attempts: 2,
        code: 'ECONNRESET',
        delivery: 'unknown',
        replayable: true,
        labels: { order: '7' },
        err: reset,
        deadLetterId,
      },
    ])
    expect(events).toMatchObject([{ ...lost, reason: 'exhausted', error: reset, deadLetterId }])
  })

  it('which says in words why no further attempt was made', async () => {
    await lose([stackOf({})], { method: 'POST' })
    const why = 'the server may have acted on it; with an idempotency key it is retried'
    expect(lines).toMatchObject([{ msg: 'dead letter captured', reason: 'not-repeatable', why }])
    expect(events).toMatchObject([{ reason: 'not-repeatable', why }])
  })

  it('that of the drop where there is no room for its dead letter', async () => {
    await lose([stackOf({ deadLetter: { maxQueuedBytes: 1024 } })], { method: 'POST' })
    expect(lines).toMatchObject([
      {
        ...lost,
        method: 'POST',
        msg: 'dead letter dropped: queue-full',
        reason: 'queue-full',
        callReason: 'not-repeatable',
        why: 'the server may have acted on it; with an idempotency key it is retried',
        attempts: 1,
        code: 'ECONNRESET',
        err: reset,
      },
    ])
    expect(events).toHaveLength(1)
  })

  it('that of the call given up where the stack has no dead letters', async () => {
    await lose([stackOf({ deadLetter: false })])
    expect(lines).toMatchObject([{ ...lost, msg: 'call given up: exhausted', err: reset }])
  })

  it('that of the call given up where the call is not to be captured', async () => {
    await withCallOptions({ deadLetter: false }, () => lose([stackOf({})]))
    expect(lines).toMatchObject([{ ...lost, msg: 'call given up: exhausted', err: reset }])
  })

  it('that of the call given up where `capture` does not want it', async () => {
    await lose([stackOf({ deadLetter: { capture: () => false } })])
    expect(lines).toMatchObject([{ ...lost, msg: 'call given up: exhausted', err: reset }])
  })

  it('that of the call given up where it has none, and `close` ends the wait for its next attempt', async () => {
    const slow = { maxAttempts: 2, initialBackoffMs: 60_000, jitter: 'none' } as const
    const stack = stackOf({ deadLetter: false, retry: slow })
    const over = lose([stack])
    await stack.close()
    await over
    expect(lines).toMatchObject([{ ...lost, msg: 'call given up: shutdown', code: 'ECONNRESET' }])
    expect(events).toMatchObject([{ reason: 'shutdown' }])
  })

  it('with interceptors of their own, that have the same logger', async () => {
    const shared = logger()
    await lose([made(retry({ ...once, logger: shared })), made(deadLetter({ logger: shared }))])
    expect(lines).toMatchObject([{ ...lost, msg: 'dead letter captured', reason: 'exhausted' }])
  })

  it('in each of two loggers', async () => {
    await lose([
      made(retry({ ...once, logger: logger('retry') })),
      made(deadLetter({ logger: logger('letters') })),
    ])
    expect(lines).toMatchObject([
      { msg: 'call given up: exhausted', by: 'retry', deadLetterId: expect.any(String) as string },
      { msg: 'dead letter captured', by: 'letters' },
    ])
  })

  it('where only who gives it up has a logger', async () => {
    await lose([made(retry({ ...once, logger: logger() })), made(deadLetter())])
    expect(lines).toMatchObject([
      { msg: 'call given up: exhausted', deadLetterId: expect.any(String) as string },
    ])
  })

  it('of its last attempt, where each attempt has a dead letter', async () => {
    const shared = logger()
    await lose([made(deadLetter({ logger: shared })), made(retry({ ...once, logger: shared }))])
    expect(lines).toMatchObject([
      { msg: 'dead letter captured', attempts: 1 },
      { msg: 'dead letter captured', attempts: 2, reason: 'exhausted' },
    ])
  })

  it('of its own, where only an attempt before the last has a dead letter', async () => {
    const shared = logger()
    let asked = 0
    const letters = made(deadLetter({ logger: shared, capture: () => ++asked === 1 }))
    await lose([letters, made(retry({ ...once, logger: shared }))])
    expect(lines).toMatchObject([
      { msg: 'dead letter captured', attempts: 1 },
      { msg: 'call given up: exhausted', attempt: 2 },
    ])
  })
})

describe('a dead letter that cannot be made', () => {
  const failure = new Error('no text')
  const classify = (): Verdict => ({
    kind: 'transient',
    code: 'BUSY',
    get message(): string {
      throw failure
    },
  })

  it('is one line with what is known of the call, and an event', async () => {
    const dropped: object[] = []
    const hearDrop = (event: object): void => void dropped.push(event)
    channels.deadLetterDropped.subscribe(hearDrop)
    await lose([stackOf({ classify })], { status: 503 })
    channels.deadLetterDropped.unsubscribe(hearDrop)
    expect(lines).toMatchObject([
      {
        ...lost,
        msg: 'dead letter dropped: capture-failed',
        callReason: 'exhausted',
        attempts: 2,
        statusCode: 503,
        code: 'BUSY',
        err: failure,
      },
    ])
    expect(dropped).toMatchObject([{ reason: 'capture-failed', error: failure }])
  })

  it('is a process warning where there is no logger', async () => {
    const warned = new Promise<Error>((resolve) => process.once('warning', resolve))
    await lose([stackOf({ classify, logger: undefined })], { status: 503 })
    expect((await warned).message).toBe('`deadLetter` threw: Error: no text')
  })
})

it('a call that its caller aborts while its dead letter is being made is no line: it is not lost', async () => {
  const server = new ScriptedDispatcher()
  const pending = async function* (): AsyncGenerator<Buffer> {
    yield Buffer.from('first')
    await new Promise(() => undefined)
  }
  const options = { origin: 'http://crm.test', path: '/', method: 'PUT', body: pending() } as never
  const stack = stackOf({ retry: { maxAttempts: 1 } })
  server.compose(stack).dispatch(options, {
    onRequestStart: (given) => void (controller = given),
    onResponseError: () => undefined,
  })
  server.attempts[0]!.start().fail(reset)
  controller.abort(new Error('left'))
  await stack.close()
  expect(lines).toEqual([])
})

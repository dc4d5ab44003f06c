import type { Dispatcher } from 'undici'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { deadLetter, type DeadLetterInterceptor } from '../../../src/dead-letter/interceptor.ts'
import { resilience } from '../../../src/resilience.ts'
import { type AttemptDoneEvent, type CallDoneEvent, channels } from '../../../src/telemetry/channels.ts'
import { withCallOptions } from '../../../src/with-call-options.ts'
import { ScriptedDispatcher } from '../../support/calls/scripted-dispatcher.ts'

type Interceptor = Dispatcher.DispatcherComposeInterceptor
const timedOut = (): Error => new DOMException('too late', 'TimeoutError')
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

let server: ScriptedDispatcher
let controller: Dispatcher.DispatchController
let heard: string[]
beforeEach(() => {
  server = new ScriptedDispatcher()
  heard = []
})

function call(layers: Interceptor[], body?: AsyncIterable<Buffer>): void {
  const options = { origin: 'http://crm.test', path: '/', method: 'PUT', body } as never
  server.compose(...layers).dispatch(options, {
    onRequestStart: (given) => void (controller = given),
    onResponseStart: (_controller, statusCode) => void heard.push(String(statusCode)),
    onResponseData: () => undefined,
    onResponseEnd: () => void heard.push('end'),
    onResponseError: (_controller, error) => void heard.push(error.name),
  })
}

/** Another interceptor's part: tells of an error a turn later. */
const tellingLater: Interceptor = (dispatch) => (options, handler) =>
  dispatch(options, {
    onRequestStart: (...given) => handler.onRequestStart?.(...given),
    onResponseStart: (...given) => handler.onResponseStart?.(...given),
    onResponseData: (...given) => handler.onResponseData?.(...given),
    onResponseEnd: (...given) => handler.onResponseEnd?.(...given),
    onResponseError: (...given) => void setImmediate(() => handler.onResponseError?.(...given)),
  })

describe('a response that the timeout of the caller ends', () => {
  it('has an incomplete request body, also where the attempt tells of its end after that of the call', async () => {
    const letters = deadLetter()
    const { promise: aborted, resolve: endBody } = Promise.withResolvers<void>()
    // as that of fetch, which ends like a complete one when it is aborted
    const body = async function* (): AsyncGenerator<Buffer> {
      yield Buffer.from('first')
      await aborted
    }
    call([tellingLater, letters], body())
    server.attempts[0]!.start().head(503)
    controller.abort(timedOut())
    expect(heard).toEqual(['503', 'TimeoutError'])
    await turn()
    await turn()
    endBody()
    const { items } = await letters.deadLetters.list()
    expect(items).toMatchObject([{ replayable: false, notReplayableReason: 'body-incomplete' }])
  })
})

describe('a failure whose request body fails before it is read', () => {
  it('comes to the caller, and is captured without the body', async () => {
    const letters = deadLetter()
    const body = async function* (): AsyncGenerator<Buffer> {
      yield Buffer.from('first')
      await turn()
      throw new Error('disk full')
    }
    call([letters], body())
    server.attempts[0]!.fail(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }))
    const { items } = await letters.deadLetters.list()
    expect(heard).toEqual(['Error'])
    expect(items).toMatchObject([{ delivery: 'not-sent', notReplayableReason: 'body-incomplete' }])
  })
})

describe('a failure that waits for the rest of its request body', () => {
  it('is what the caller gets and what is captured, also when the total timeout comes meanwhile', async () => {
    const stack = resilience({ retry: false, totalTimeoutMs: 10 })
    const body = async function* (): AsyncGenerator<Buffer> {
      yield Buffer.from('first')
      await new Promise(() => undefined)
    }
    call([stack], body())
    server.attempts[0]!.start().fail(Object.assign(new Error('reset'), { code: 'ECONNRESET' }))
    await expect.poll(() => heard).toEqual(['Error'])
    expect((await stack.deadLetters.list()).items).toMatchObject([{ error: { code: 'ECONNRESET' } }])
    await stack.close()
  })
})

describe('the end of a call whose error waits for the rest of its request body', () => {
  const done: CallDoneEvent[] = []
  const attemptsDone: AttemptDoneEvent[] = []
  const hear = (event: CallDoneEvent): void => void done.push(event)
  const hearAttempt = (event: AttemptDoneEvent): void => void attemptsDone.push(event)
  beforeEach(() => {
    done.length = attemptsDone.length = 0
    channels.callDone.subscribe(hear)
    channels.attemptDone.subscribe(hearAttempt)
  })
  afterEach(() => {
    channels.callDone.unsubscribe(hear)
    channels.attemptDone.unsubscribe(hearAttempt)
  })

  const reset = Object.assign(new Error('reset'), { code: 'ECONNRESET' })
  /** A body that goes on, or fails, when the test says so. */
  function heldBody(): { body: AsyncGenerator<Buffer>; end: () => void; fail: () => void } {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const body = async function* (): AsyncGenerator<Buffer> {
      yield Buffer.from('first')
      await promise
    }
    return { body: body(), end: resolve, fail: () => reject(new Error('disk full')) }
  }
  const failed = { outcome: 'error', code: 'ECONNRESET', error: reset }

  it('is that of its error where the body fails meanwhile: nobody has cancelled it', async () => {
    const letters = deadLetter()
    const { body, fail } = heldBody()
    call([letters], body)
    server.attempts[0]!.start().fail(reset)
    fail()
    const { items } = await letters.deadLetters.list()
    expect(items).toMatchObject([{ error: { code: 'ECONNRESET' }, notReplayableReason: 'body-incomplete' }])
    expect(done).toMatchObject([{ ...failed, deadLetterId: items[0]!.id }])
    expect(attemptsDone).toMatchObject([failed])
  })

  it('names no record where the caller aborts meanwhile: none is made', async () => {
    const letters = deadLetter()
    const captured: string[] = []
    const { body, end } = heldBody()
    withCallOptions({ onCaptured: (id) => void captured.push(id) }, () => call([letters], body))
    server.attempts[0]!.start().fail(reset)
    const left = new Error('left')
    controller.abort(left)
    end()
    expect((await letters.deadLetters.list()).items).toEqual([])
    expect(done).toMatchObject([{ outcome: 'cancelled', error: left, deadLetterId: undefined }])
    expect(captured).toEqual([])
    // it had its end before the caller left
    expect(attemptsDone).toMatchObject([failed])
  })

  it.each<[string, () => Interceptor[]]>([
    ['dead letters', () => []],
    ['dead letters under those of another stack', () => [deadLetter()]],
  ])(
    'is that of the timeout where the caller times out meanwhile, and it is captured, by %s',
    async (_which, above) => {
      const letters = deadLetter()
      const captured: string[] = []
      // as that of fetch, which ends like a complete one when it is aborted
      const { body, end } = heldBody()
      withCallOptions({ onCaptured: (id) => void captured.push(id) }, () => call([letters, ...above()], body))
      server.attempts[0]!.start().fail(reset)
      const late = timedOut()
      controller.abort(late)
      end()
      const { items } = await letters.deadLetters.list()
      expect(items).toMatchObject([
        { error: { code: 'ECONNRESET' }, replayable: false, notReplayableReason: 'body-incomplete' },
      ])
      expect(done).toMatchObject([{ outcome: 'error', error: late }])
      expect(captured).toContain(items[0]!.id)
      expect(captured).toContain(done[0]!.deadLetterId)
    },
  )
})

describe('a handler of the caller that throws', () => {
  const options = { origin: 'http://crm.test', path: '/', method: 'PUT' } as const
  const bug = new Error('a bug')
  const throws = (): never => {
    throw bug
  }

  it.each<[string, Dispatcher.DispatchHandler]>([
    ['an error', { onResponseError: throws }],
    ['a response', { onResponseStart: throws, onResponseError: () => undefined }],
  ])('at %s has the call captured all the same', async (what, handler) => {
    const letters = deadLetter()
    server.compose(letters).dispatch(options, { onRequestStart: () => undefined, ...handler })
    const attempt = server.attempts[0]!.start()
    expect(() => {
      if (what === 'an error') attempt.fail(Object.assign(new Error('reset'), { code: 'ECONNRESET' }))
      else attempt.respond(503)
    }).toThrow(bug)
    expect((await letters.deadLetters.list()).items).toHaveLength(1)
  })

  it.each<[string, Dispatcher.DispatchHandler]>([
    ['an error', { onResponseError: throws }],
    ['a response', { onResponseStart: throws, onResponseError: () => undefined }],
  ])('at %s has the drop told all the same where there is no room', (what, handler) => {
    const onDrop = vi.fn()
    const letters = deadLetter({ maxQueuedBytes: 1024, onDrop })
    server.compose(letters).dispatch(options, { onRequestStart: () => undefined, ...handler })
    const attempt = server.attempts[0]!.start()
    expect(() => {
      if (what === 'an error') attempt.fail(Object.assign(new Error('reset'), { code: 'ECONNRESET' }))
      else attempt.respond(503)
    }).toThrow(bug)
    expect(onDrop).toHaveBeenCalledExactlyOnceWith(expect.anything(), 'queue-full')
  })
})

describe('a call that is over before it comes to dead letters', () => {
  it('is not under way for them', async () => {
    const warned: string[] = []
    const logger = {
      info: () => undefined,
      warn: (_context: object, message: string) => void warned.push(message),
      error: () => undefined,
    }
    const inner = deadLetter({ logger })
    let withToken: () => void
    const waitingForToken: Interceptor = (dispatch) => (options, handler) => {
      withToken = () => void dispatch(options, handler)
      return true
    }
    call([inner, waitingForToken, deadLetter()])
    controller.abort(new Error('left'))
    withToken!()
    server.attempts[0]!.start()
    expect(heard).toEqual(['Error'])
    await inner.close()
    expect(warned).toEqual([])
  })
})

describe('a call that is answered by an interceptor between two dead letters', () => {
  it('is not captured when the caller times out in the middle of that answer', async () => {
    const both = [deadLetter(), deadLetter()] as [DeadLetterInterceptor, DeadLetterInterceptor]
    // from a cache, which renews what it has
    const stale: Interceptor = (dispatch) => (options, handler) => {
      dispatch(options, {})
      handler.onResponseStart?.(null as never, 200, {}, '')
      return true
    }
    call([both[0], stale, both[1]])
    controller.abort(timedOut())
    expect(heard).toEqual(['200', 'TimeoutError'])
    for (const { deadLetters } of both) expect((await deadLetters.list()).items).toEqual([])
  })
})

describe('a call whose attempts are captured each', () => {
  it('ends at its total timeout, although its first attempt was captured', async () => {
    const stack = resilience({
      deadLetter: false,
      retry: { initialBackoffMs: 1, jitter: 'none' },
      totalTimeoutMs: 150,
    })
    const letters = deadLetter()
    call([letters, stack])
    server.attempts[0]!.start().fail(Object.assign(new Error('reset'), { code: 'ECONNRESET' }))
    // the second waits for a connection
    await expect.poll(() => server.attempts.length).toBe(2)
    await expect.poll(() => heard).toEqual(['RequestTimeoutError'])
    expect((await letters.deadLetters.list()).items).toHaveLength(1)
    await stack.close()
  })
})

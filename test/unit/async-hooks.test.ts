import { describe, expect, it, vi } from 'vitest'
import { CircuitBreaker, deadLetter, resilience, type ResilienceOptions, withRetry } from '../../src/index.ts'
import { createSendGridAgent } from '../../src/providers/sendgrid.ts'
import { ScriptedDispatcher } from '../support/calls/scripted-dispatcher.ts'

/** Hooks that decide while the response is being handed on: nobody can wait for their answer. */
const hooks: Record<string, (hook: never) => ResilienceOptions> = {
  classify: (classify) => ({ classify }),
  'retry.isIdempotent': (isIdempotent) => ({ retry: { isIdempotent } }),
  'retry.isRetryableError': (isRetryableError) => ({ retry: { isRetryableError } }),
  'retry.idempotencyKey': (idempotencyKey) => ({ retry: { idempotencyKey } }),
  'circuitBreaker.key': (key) => ({ circuitBreaker: { key } }),
  'circuitBreaker.isFailure': (isFailure) => ({ circuitBreaker: { isFailure } }),
  'deadLetter.capture': (capture) => ({ deadLetter: { capture } }),
  'deadLetter.orderingKey': (orderingKey) => ({ deadLetter: { orderingKey } }),
}

describe.each(Object.entries(hooks))('an async %s', (name, optionsWith) => {
  it('is refused at construction, where it can be known', () => {
    const message = `\`${name}\` must answer at once, got an async function`
    expect(() => resilience(optionsWith((async () => undefined) as never))).toThrow(new TypeError(message))
    expect(() => resilience(optionsWith(async function* () {} as never))).toThrow(/must answer at once/)
  })

  it('says so once, at its first answer, and the default holds', async () => {
    const logger = { info: vi.fn(), warn: vi.fn(), error: vi.fn() }
    const hook = vi.fn(() => Promise.reject(new Error('too late')))
    const options = optionsWith(hook as never)
    const stack = resilience({
      ...options,
      retry: { maxAttempts: 2, initialBackoffMs: 1, ...(options.retry as object) },
      logger,
    })
    const server = new ScriptedDispatcher()
    // a POST that may be repeated, were it not for a hook: it gets a reset, then a 503
    server.answer = (attempt) => {
      if (server.attempts.length % 2 === 1) attempt.respond(503)
      else attempt.start().fail(Object.assign(new Error('reset'), { code: 'ECONNRESET' }))
    }
    const plain = new ScriptedDispatcher()
    plain.answer = server.answer
    for (let call = 0; call < 3; call++) {
      await sent(server, stack, 'POST')
      await sent(server, stack, 'PUT')
    }
    expect(hook.mock.calls.length).toBeGreaterThan(1)
    const told = logger.error.mock.calls.filter(([context]) => 'hook' in (context as object))
    expect(told).toHaveLength(1)
    expect(told[0]![0]).toMatchObject({
      err: new TypeError(`\`${name}\` must answer at once, got a promise`),
    })
    expect((await stack.deadLetters.list()).items).toHaveLength(6)
    await stack.close()
  })
})

it('an async hook is refused where it is used by itself, and by providers', () => {
  const asyncHook = (async () => undefined) as never
  expect(() => new CircuitBreaker({ isFailure: asyncHook })).toThrow('`isFailure` must answer at once')
  expect(() => deadLetter({ capture: asyncHook })).toThrow('`capture` must answer at once')
  expect(() => createSendGridAgent({ classify: asyncHook })).toThrow('`classify` must answer at once')
  return expect(withRetry(() => 1, { isRetryableError: asyncHook })).rejects.toThrow(
    '`isRetryableError` must answer at once',
  )
})

it('what only hears of something may be async', () => {
  const onDrop = (async () => undefined) as () => void
  expect(() => resilience({ deadLetter: { onDrop } })).not.toThrow()
})

function sent(server: ScriptedDispatcher, stack: ReturnType<typeof resilience>, method: string) {
  return new Promise<void>((resolve) => {
    server.compose(stack).dispatch(
      { origin: 'http://a.test', path: '/', method: method as 'PUT' },
      {
        onRequestStart: () => undefined,
        onResponseStart: () => undefined,
        onResponseData: () => undefined,
        onResponseEnd: () => resolve(),
        onResponseError: () => resolve(),
      },
    )
  })
}

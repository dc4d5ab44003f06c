import type { Dispatcher } from 'undici'
import { describe, expect, it, vi } from 'vitest'
import type { Call } from '../../../src/call/call.ts'
import { FrontDesk } from '../../../src/call/desk/front-desk.ts'
import { resolveOptions } from '../../../src/checks.ts'
import { eachHeader, headerValue } from '../../../src/http/headers.ts'
import { idempotentMethods } from '../../../src/http/idempotent-methods.ts'
import { giveIdempotencyKey, isRepeatableCall } from '../../../src/retry/idempotency.ts'
import { retryChecks, type RetryOptions } from '../../../src/retry/options.ts'
import { type Logger, Reporter } from '../../../src/telemetry/reporter.ts'

const error = vi.fn()
const logger = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error } as unknown as Logger
const reporter = new Reporter('test', logger)

function call(method: string, headers: Dispatcher.DispatchOptions['headers'] = null): Call {
  return new FrontDesk(
    { origin: 'https://a.test', path: '/x?y=1', method: method as Dispatcher.HttpMethod, headers },
    {},
    'test',
    undefined,
    undefined,
  )
}

const repeatable = (options: RetryOptions, one: Call): boolean =>
  isRepeatableCall(resolveOptions('retry', retryChecks, options), one, reporter)

describe('whether a call may be sent twice', () => {
  it.each([
    ...idempotentMethods.map((method) => [method, true] as const),
    ['POST', false],
    ['PATCH', false],
    ['PROPFIND', false],
    // methods are case-sensitive: what the server makes of this one nobody knows
    ['put', false],
  ] as const)('is by its method: %s %s', (method, expected) => {
    expect(repeatable({}, call(method))).toBe(expected)
  })

  it('is by `methods` where the user gives them, in any case', () => {
    expect(repeatable({ methods: ['get', 'post'] }, call('POST'))).toBe(true)
    expect(repeatable({ methods: ['get', 'post'] }, call('PUT'))).toBe(false)
    expect(repeatable({ methods: [] }, call('GET'))).toBe(false)
  })

  it('is by `isIdempotent` for other methods, which sees the request', () => {
    const isIdempotent = vi.fn(({ path }: { path: string }) => path.startsWith('/x'))
    expect(repeatable({ isIdempotent }, call('POST'))).toBe(true)
    expect(isIdempotent).toHaveBeenCalledWith(expect.objectContaining({ method: 'POST', path: '/x?y=1' }))
    isIdempotent.mockClear()
    expect(repeatable({ isIdempotent }, call('PUT'))).toBe(true)
    expect(isIdempotent).not.toHaveBeenCalled()
  })

  it('is not because of a key: the provider forgets it', () => {
    const keyed = call('POST', { 'idempotency-key': 'k' })
    expect(keyed.idempotencyKey).toBe('k')
    expect(repeatable({}, keyed)).toBe(false)
  })

  it('is not when the hook throws, and says so', () => {
    error.mockClear()
    const isIdempotent = (): boolean => {
      throw new Error('a bug')
    }
    expect(repeatable({ isIdempotent }, call('POST'))).toBe(false)
    expect(error).toHaveBeenCalledWith(expect.anything(), expect.stringContaining('isIdempotent'))
  })

  it('is asked of the hook once per call', () => {
    const isIdempotent = vi.fn(() => false)
    const one = call('POST')
    one.repeatableRule = (asked) => repeatable({ isIdempotent }, asked)
    expect([one.repeatable, one.repeatable]).toEqual([false, false])
    expect(isIdempotent).toHaveBeenCalledTimes(1)
    expect(call('POST').repeatable).toBeUndefined()
  })
})

describe('the idempotency key of a call', () => {
  const keyOf = (options: RetryOptions, one: Call): string | undefined => {
    giveIdempotencyKey(resolveOptions('retry', retryChecks, options), one, reporter)
    // what the server would get
    expect(headerValue(one.options.headers, 'idempotency-key')).toBe(one.idempotencyKey)
    return one.idempotencyKey
  }

  it('is none unless it is asked for', () => {
    expect(keyOf({}, call('POST'))).toBeUndefined()
    expect(keyOf({ idempotencyKey: false }, call('POST'))).toBeUndefined()
  })

  it('is another UUID for each call', () => {
    const [one, other] = [
      keyOf({ idempotencyKey: true }, call('POST')),
      keyOf({ idempotencyKey: true }, call('POST')),
    ]
    expect(one).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(other).not.toBe(one)
  })

  it('is not needed by what may be sent twice anyway', () => {
    const idempotencyKey = vi.fn(() => 'k')
    expect(keyOf({ idempotencyKey }, call('PUT'))).toBeUndefined()
    expect(keyOf({ idempotencyKey: true }, call('GET'))).toBeUndefined()
    expect(idempotencyKey).not.toHaveBeenCalled()
    expect(keyOf({ idempotencyKey, methods: ['GET'] }, call('PUT'))).toBe('k')
  })

  it('is what the function makes of the request, or none', () => {
    expect(keyOf({ idempotencyKey: ({ path }) => `key-of-${path.length}` }, call('POST'))).toBe('key-of-6')
    expect(keyOf({ idempotencyKey: () => undefined }, call('POST'))).toBeUndefined()
  })

  it.each([
    [
      'throws',
      () => {
        throw new Error('a bug')
      },
    ],
    ['makes one that no header can hold', () => 'a\r\nb'],
    ['makes one of another type', () => 7 as unknown as string],
    ['makes the word for one that is missing', () => String(undefined)],
  ])('is none when the function %s: the call goes on without', (_what, idempotencyKey) => {
    error.mockClear()
    expect(keyOf({ idempotencyKey }, call('POST'))).toBeUndefined()
    expect(error).toHaveBeenCalledWith(expect.anything(), expect.stringContaining('idempotencyKey'))
  })

  it.each([
    ['an object', { 'Idempotency-Key': 'mine' }],
    ['a list', ['Idempotency-Key', 'mine']],
    ['pairs', [['Idempotency-Key', 'mine']][Symbol.iterator]() as never],
  ])('is left alone where the caller sends one: %s', (_what, headers) => {
    expect(keyOf({ idempotencyKey: true }, call('POST', headers))).toBe('mine')
  })

  it.each(['', ' ', '""', 'undefined', 'null', '"undefined"'])(
    'is made in place of a header that holds none: %j',
    (value) => {
      const headers = { 'Idempotency-Key': value, accept: '*/*' }
      for (const form of [
        headers,
        Object.entries(headers).flat(),
        new Map(Object.entries(headers)) as never,
      ]) {
        const one = call('POST', form)
        expect(one.idempotencyKey).toBeUndefined()
        giveIdempotencyKey(
          resolveOptions('retry', retryChecks, { idempotencyKey: () => 'made' }),
          one,
          reporter,
        )
        expect([...eachHeader(one.options.headers)]).toEqual([
          ['accept', '*/*'],
          ['idempotency-key', 'made'],
        ])
      }
    },
  )
})

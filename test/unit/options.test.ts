import { Agent } from 'undici'
import { describe, expect, it } from 'vitest'
import { type Check, resolveOptions } from '../../src/checks.ts'
import {
  CircuitBreaker,
  circuitBreaker,
  deadLetter,
  memoryStore,
  resilience,
  ResilientHttpClient,
  retry,
  timeout,
  withRetry,
} from '../../src/index.ts'
import { resilienceChecks } from '../../src/stack/options.ts'

type Make = (value: never) => unknown
interface Row {
  make: Make
  option: string
  bad: unknown[]
}

const of =
  (factory: (options: never) => unknown, option: string): Make =>
  (value) =>
    factory({ [option]: value } as never)

const numbers = [-1, 1.5, NaN, '4', null, {}]
const atLeastOne = [0, ...numbers]
const functions = ['yes', 1, {}]
const strings = ['', 7, null, {}]

const retryRows: [string, unknown[]][] = [
  ['maxAttempts', atLeastOne],
  ['initialBackoffMs', [...numbers, 2 ** 31]],
  ['backoffMultiplier', [0, 0.5, NaN, Infinity, '2', null]],
  ['maxBackoffMs', [...numbers, 2 ** 31]],
  ['jitter', ['fully', 1, null]],
  ['statusCodes', [503, ['503'], [399], [600], [500.5], null]],
  ['errorCodes', ['ECONNRESET', [1], [''], null]],
  ['methods', ['GET', [1], null]],
  ['isIdempotent', functions],
  ['maxRetryAfterMs', [...numbers, 2 ** 31]],
  ['isRetryableError', functions],
  ['idempotencyKey', ['key', 1, null]],
  ['maxBodyBytes', numbers],
]
const breakerRows: [string, unknown[]][] = [
  ['failureThreshold', atLeastOne],
  ['failureRate', [-0.1, 1.1, NaN, '0.5', null]],
  ['windowMs', atLeastOne],
  ['minimumRequests', atLeastOne],
  ['timeoutMs', atLeastOne],
  ['maxTimeoutMs', atLeastOne],
  ['halfOpenMaxAttempts', atLeastOne],
  ['slowCallMs', [-1, NaN, '5', null]],
  ['quorum', atLeastOne],
  ['key', functions],
  ['isFailure', functions],
]
const deadLetterRows: [string, unknown[]][] = [
  ['capture', functions],
  ['maxBodyBytes', numbers],
  ['maxResponseBytes', numbers],
  ['redact', ['all', 1]],
  ['seal', ['key', {}, { current: 'a', keys: {} }]],
  ['labels', ['a', { a: 1 }]],
  ['orderingKey', [1, {}]],
  ['spool', ['path', {}]],
  ['onDrop', functions],
]

const rows: Row[] = [
  ...retryRows.flatMap(([option, bad]): Row[] => [
    { make: of(retry, option), option, bad },
    { make: (value) => resilience({ retry: { [option]: value } }), option, bad },
    { make: (value) => withRetry(() => 1, { [option]: value } as never), option, bad },
  ]),
  ...breakerRows.flatMap(([option, bad]): Row[] => [
    { make: of(circuitBreaker, option), option, bad },
    // a breaker for functions is one circuit: it has no key
    ...(option === 'key'
      ? []
      : [{ make: of((options) => new CircuitBreaker(options), option), option, bad }]),
    { make: (value) => resilience({ circuitBreaker: { [option]: value } }), option, bad },
  ]),
  ...deadLetterRows.flatMap(([option, bad]): Row[] => [
    { make: of(deadLetter, option), option, bad },
    { make: (value) => resilience({ deadLetter: { [option]: value } }), option, bad },
  ]),
  { make: of(resilience, 'integration'), option: 'integration', bad: strings },
  { make: of(resilience, 'store'), option: 'store', bad: [{}, 'redis://', 1, { circuits: {} }] },
  { make: of(resilience, 'attemptTimeoutMs'), option: 'attemptTimeoutMs', bad: [...atLeastOne, 2 ** 31] },
  { make: of(resilience, 'totalTimeoutMs'), option: 'totalTimeoutMs', bad: [...atLeastOne, 2 ** 31] },
  { make: of(resilience, 'classify'), option: 'classify', bad: functions },
  {
    make: (value) => resilience({ classify: () => undefined, inspectBody: { statusCodes: value } }),
    option: 'inspectBody.statusCodes',
    bad: [500, ['500'], [0], [99], [700]],
  },
  {
    make: (value) =>
      resilience({ classify: () => undefined, inspectBody: { statusCodes: [5], maxBytes: value } }),
    option: 'inspectBody.maxBytes',
    bad: [0, 65_537, ...numbers],
  },
  { make: of(resilience, 'logger'), option: 'logger', bad: [{}, 'pino', () => undefined] },
  { make: of(timeout, 'ms'), option: 'ms', bad: [undefined, ...atLeastOne, 2 ** 31] },
  { make: (value) => timeout({ ms: 1, until: value }), option: 'until', bad: ['body', 1] },
  { make: of(memoryStore, 'maxCircuits'), option: 'maxCircuits', bad: atLeastOne },
  {
    make: of((options) => new ResilientHttpClient(options), 'baseUrl'),
    option: 'baseUrl',
    bad: ['/v3', '', 'ftp://a', 1],
  },
  {
    make: of((options) => new ResilientHttpClient(options), 'dispatcher'),
    option: 'dispatcher',
    bad: [{}, 'agent'],
  },
  { make: (value) => withRetry(() => 1, { signal: value }), option: 'signal', bad: ['abort', {}] },
  {
    make: (value) => withRetry(() => 1, { totalTimeoutMs: value }),
    option: 'totalTimeoutMs',
    bad: atLeastOne,
  },
]

const cases = rows.flatMap(({ make, option, bad }) => bad.map((value) => ({ make, option, value })))

async function errorOf(make: Make, value: unknown): Promise<unknown> {
  try {
    await make(value as never)
    return undefined
  } catch (error) {
    return error
  }
}

describe('a bad option', () => {
  it.each(cases)('$option: $value is refused by an error that names it', async ({ make, option, value }) => {
    const error = await errorOf(make, value)
    expect(error === undefined ? 'accepted' : 'refused').toBe('refused')
    expect(error instanceof TypeError || error instanceof RangeError).toBe(true)
    const { message } = error as Error
    expect(message).toContain(option.split('.').at(-1))
    if (typeof value === 'number' && !Number.isNaN(value)) expect(message).toContain(String(value))
  })

  it('says option, bound and value', () => {
    expect(() => retry({ maxAttempts: 0 })).toThrow(
      new RangeError('`maxAttempts` must be an integer >= 1, got 0'),
    )
    expect(() => retry({ maxAttempts: '3' as never })).toThrow(
      new TypeError('`maxAttempts` must be an integer >= 1, got "3"'),
    )
    expect(() => retry({ statusCodes: [503, 200] })).toThrow(
      new RangeError('`statusCodes[1]` must be an integer >= 400 and <= 599, got 200'),
    )
  })

  it.each([
    ['retry', () => retry({ retires: 3 } as never)],
    ['circuitBreaker', () => circuitBreaker({ treshold: 3 } as never)],
    ['deadLetter', () => deadLetter({ maxBody: 3 } as never)],
    ['resilience', () => resilience({ circuit: {} } as never)],
    ['timeout', () => timeout({ ms: 1, scope: 'attempt' } as never)],
    ['memoryStore', () => memoryStore({ circuits: 1 } as never)],
  ])('that does not exist is refused by %s: a typo is no silent default', (_factory, make) => {
    expect(make).toThrow(/has no option/)
  })

  it('is refused in combination: an attempt may not outlast its call, a body is inspected for a classifier', () => {
    expect(() => resilience({ attemptTimeoutMs: 10, totalTimeoutMs: 5 })).toThrow(
      /`totalTimeoutMs` must be an integer >= 10/,
    )
    expect(() => resilience({ inspectBody: { statusCodes: [500] } })).toThrow(
      /`inspectBody` needs `classify`/,
    )
    expect(() => circuitBreaker({ timeoutMs: 1_000, maxTimeoutMs: 500 })).toThrow(/maxTimeoutMs/)
  })
})

it('every option left out, and options undefined, give the defaults', async () => {
  const stack = resilience()
  new Agent().compose(stack, retry(), circuitBreaker(), deadLetter(), timeout({ ms: 1 }))
  await stack.close()
})

describe('the name of an integration', () => {
  const tooLong = { integration: 'x'.repeat(257) }
  it.each<[string, () => unknown]>([
    ['resilience', () => resilience(tooLong)],
    ['retry', () => retry(tooLong)],
    ['circuitBreaker', () => circuitBreaker(tooLong)],
    ['deadLetter', () => deadLetter(tooLong)],
    ['timeout', () => timeout({ ...tooLong, ms: 1 })],
    ['CircuitBreaker', () => new CircuitBreaker(tooLong)],
    ['ResilientHttpClient', () => new ResilientHttpClient(tooLong)],
  ])('is refused by %s where a record could not be read again with it', (_factory, make) => {
    expect(make).toThrow('`integration` must have at most 256 characters, got 257')
  })
})

it('an option that is undefined is as good as one that is left out, in the stack and in each of its layers', () => {
  const undefinedOf = (rows: Readonly<Record<string, Check<unknown, never>>>): object =>
    Object.fromEntries(
      Object.entries(rows).map(([name, { inner }]) => [
        name,
        // a bulkhead is off until there is an object for it
        inner?.orFalse === true && name !== 'bulkhead' ? undefinedOf(inner.rows) : undefined,
      ]),
    )
  const options = undefinedOf(resilienceChecks as never)
  expect(options).toMatchObject({ logger: undefined, retry: { maxAttempts: undefined } })
  const resolved = (given: object): string =>
    JSON.stringify(resolveOptions('resilience', resilienceChecks, given))
  expect(resolved(options)).toBe(resolved({}))
})

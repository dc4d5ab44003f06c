import { MockAgent } from 'undici'
import { describe, expect, it } from 'vitest'
import {
  CircuitBreaker,
  circuitBreaker,
  deadLetter,
  memoryStore,
  resilience,
  ResilientHttpClient,
  retry,
  startReplayer,
  timeout,
  withCallOptions,
  withRetry,
} from '../../src/index.ts'
import { createHubSpotAgent, createHubSpotClient } from '../../src/providers/hubspot.ts'

const store = memoryStore()
const logger = { info: () => undefined, warn: () => undefined, error: () => undefined }

/** What the factory says to these options; what it should have been, TypeScript knows as well. */
async function refusalOf(make: (options: never) => unknown, options: unknown): Promise<string> {
  try {
    await make(options as never)
  } catch (error) {
    expect((error as Error).name).toMatch(/^(Type|Range)Error$/)
    return (error as Error).message
  }
  return 'accepted'
}

describe('an option of the wrong kind is refused by its whole path', () => {
  it.each([
    [{ retry: 3 }, '`retry` must be an object of options or false, got 3'],
    [{ retry: null }, '`retry` must be an object of options or false, got null'],
    [{ retry: retry() }, '`retry` must be an object of options or false, got a function'],
    [{ circuitBreaker: 5 }, '`circuitBreaker` must be an object of options or false, got 5'],
    [{ circuitBreaker: [] }, '`circuitBreaker` must be an object of options or false, got []'],
    [{ bulkhead: 10 }, '`bulkhead` must be an object of options or false, got 10'],
    [{ bulkhead: { limit: 0 } }, '`bulkhead.limit` must be an integer >= 1, got 0'],
    [{ deadLetter: true }, '`deadLetter` must be an object of options or false, got true'],
    [{ deadLetter: { redact: true } }, '`deadLetter.redact` must be an object of options, got true'],
    [{ deadLetter: { redact: null } }, '`deadLetter.redact` must be an object of options, got null'],
    [{ deadLetter: { redact: { headers: 'x' } } }, '`deadLetter.redact.headers` must be an array, got "x"'],
    [
      { deadLetter: { redact: { body: true } } },
      '`deadLetter.redact.body` must be an array or false, got true',
    ],
    [{ deadLetter: { labels: { team: 7 } } }, '`deadLetter.labels.team` must be a string, got 7'],
    [{ deadLetter: { seal: 'key' } }, '`deadLetter.seal` must be an object, got "key"'],
    [
      { deadLetter: { maxBodyBytes: -1 } },
      '`deadLetter.maxBodyBytes` must be an integer >= 0 and <= 67108864, got -1',
    ],
    [{ retry: { maxAttempts: 0 } }, '`retry.maxAttempts` must be an integer >= 1, got 0'],
    [
      { retry: { statusCodes: [503, 200] } },
      '`retry.statusCodes[1]` must be an integer >= 400 and <= 599, got 200',
    ],
    [{ retry: { jitter: null } }, '`retry.jitter` must be one of full, equal, decorrelated, none, got null'],
    [
      { circuitBreaker: { slowCallRate: 0.5 } },
      '`circuitBreaker.slowCallRate` needs `slowCallMs`, got 0.5 without it',
    ],
    [{ classify: () => undefined, inspectBody: 4 }, '`inspectBody` must be an object of options, got 4'],
    [
      { classify: () => undefined, inspectBody: {} },
      '`inspectBody.statusCodes` must be an array, got undefined',
    ],
    [
      { attemptTimeoutMs: 10_000, totalTimeoutMs: 1_000 },
      '`totalTimeoutMs` must be an integer >= 10000 (`attemptTimeoutMs`) and <= 2147483647, got 1000',
    ],
    [{ totalTimeoutMs: 0 }, '`totalTimeoutMs` must be an integer >= 1 and <= 2147483647, got 0'],
    [
      { circuitBreaker: { timeoutMs: 500, maxTimeoutMs: 400 } },
      '`circuitBreaker.maxTimeoutMs` must be an integer >= 500 (`circuitBreaker.timeoutMs`) and <= 2147483647, got 400',
    ],
    [
      { bulkhead: { adaptive: { min: 6, max: 5 } } },
      '`bulkhead.adaptive.min` must be an integer >= 1 and <= 5 (`bulkhead.adaptive.max`), got 6',
    ],
    [{ attemptTimeoutMs: '5' }, '`attemptTimeoutMs` must be an integer >= 1 and <= 2147483647, got "5"'],
    [7, 'the options of `resilience` must be an object, got 7'],
    [null, 'the options of `resilience` must be an object, got null'],
    [Promise.resolve({}), 'the options of `resilience` must be an object, got a Promise'],
    [new Map(), 'the options of `resilience` must be an object, got a Map'],
    [new MockAgent(), 'the options of `resilience` must be an object, got a Dispatcher'],
    [
      { deadLetter: { redact: { keepHeaders: ['x-tenant', 'Authorization'] } } },
      '`deadLetter.redact.keepHeaders[1]` must be a header without a credential, which is never kept (a replay gets it from `credentials`), got "Authorization"',
    ],
    [
      { deadLetter: { redact: { keepHeaders: ['x-session-token'] } } },
      '`deadLetter.redact.keepHeaders[0]` must be a header without a credential, which is never kept (a replay gets it from `credentials`), got "x-session-token"',
    ],
    [
      { logger: () => undefined },
      "`logger` must have the methods info, warn and error, as pino's has; got a function",
    ],
    [{ deadLetter: { labels: [] } }, '`deadLetter.labels` must be an object of strings, got []'],
  ])('resilience(%o)', async (options, message) => {
    expect(await refusalOf(resilience, options)).toBe(message)
  })
})

describe('an option in the wrong place is refused, with the place where it belongs', () => {
  it.each([
    [
      resilience,
      { deadLetter: { store } },
      '`deadLetter.store` is not an option here: give `store` to resilience()',
    ],
    [
      resilience,
      { circuitBreaker: { store } },
      '`circuitBreaker.store` is not an option here: give `store` to resilience()',
    ],
    [
      resilience,
      { retry: { logger } },
      '`retry.logger` is not an option here: give `logger` to resilience()',
    ],
    [
      resilience,
      { retry: { integration: 'a' } },
      '`retry.integration` is not an option here: give `integration` to resilience()',
    ],
    [
      resilience,
      { retry: { name: 'a' } },
      '`retry.name` is not an option here: give `integration` to resilience()',
    ],
    [resilience, { redact: {} }, '`redact` is not an option here: did you mean `deadLetter.redact`?'],
    [
      resilience,
      { maxAttempts: 3 },
      '`maxAttempts` is not an option here: did you mean `retry.maxAttempts`?',
    ],
    [
      resilience,
      { keepHeaders: [] },
      '`keepHeaders` is not an option here: did you mean `deadLetter.redact.keepHeaders`?',
    ],
    [
      resilience,
      { maxBodyBytes: 9 },
      '`maxBodyBytes` is not an option here: did you mean `retry.maxBodyBytes` or `deadLetter.maxBodyBytes`?',
    ],
    [
      resilience,
      { retry: { failureThreshold: 3 } },
      '`retry.failureThreshold` is not an option here: did you mean `circuitBreaker.failureThreshold`?',
    ],
    [
      resilience,
      { deadLetter: { redact: { seal: {} } } },
      '`deadLetter.redact.seal` is not an option here: did you mean `deadLetter.seal`?',
    ],
    [
      ResilientHttpClient,
      { retry: { store } },
      '`retry.store` is not an option here: give `store` to ResilientHttpClient()',
    ],
    [
      createHubSpotClient,
      { accessToken: 't', deadLetter: { store } },
      '`deadLetter.store` is not an option here: give `store` to createHubSpotClient()',
    ],
    [
      createHubSpotClient,
      { accessToken: 't', retry: { accessToken: 't' } },
      '`retry.accessToken` is not an option here: give `accessToken` to createHubSpotClient()',
    ],
    [
      createHubSpotAgent,
      { circuitBreaker: { baseUrl: '' } },
      '`circuitBreaker.baseUrl` is not an option here: give `baseUrl` to createHubSpotAgent()',
    ],
  ] as const)('%o(%o)', async (factory, options, message) => {
    const make = (given: never): unknown =>
      factory === ResilientHttpClient
        ? new ResilientHttpClient(given)
        : (factory as (o: never) => unknown)(given)
    expect(await refusalOf(make, options)).toBe(message)
  })
})

describe('an option that nobody knows is refused, with the nearest name', () => {
  const inScope = (options: never): unknown => withCallOptions(options, () => 1)
  it.each([
    [resilience, { name: 'hubspot' }, '`resilience` has no option `name`; did you mean `integration`?'],
    [retry, { name: 'hubspot' }, '`retry` has no option `name`; did you mean `integration`?'],
    [circuitBreaker, { name: 'a' }, '`circuitBreaker` has no option `name`; did you mean `integration`?'],
    [deadLetter, { name: 'a' }, '`deadLetter` has no option `name`; did you mean `integration`?'],
    [timeout, { ms: 1, name: 'a' }, '`timeout` has no option `name`; did you mean `integration`?'],
    [resilience, { retries: {} }, '`resilience` has no option `retries`; did you mean `retry`?'],
    // what other packages call it
    [
      resilience,
      { retry: { maxRetries: 3 } },
      '`retry` has no option `maxRetries`; did you mean `retry.maxAttempts`, the first included?',
    ],
    [
      resilience,
      { maxRetries: 3 },
      '`maxRetries` is not an option here: did you mean `retry.maxAttempts`, the first included?',
    ],
    [
      resilience,
      { timeout: 3_000 },
      '`resilience` has no option `timeout`; did you mean `attemptTimeoutMs`, of each attempt, or `totalTimeoutMs`, of the whole call?',
    ],
    [
      resilience,
      { timeoutMs: 3_000 },
      '`resilience` has no option `timeoutMs`; did you mean `attemptTimeoutMs`, of each attempt, or `totalTimeoutMs`, of the whole call?',
    ],
    [
      resilience,
      { retry: { timeout: 3_000 } },
      '`retry.timeout` is not an option here: give `attemptTimeoutMs` to resilience()',
    ],
    [timeout, { timeout: 3_000 }, '`timeout` has no option `timeout`; did you mean `ms`?'],
    [resilience, { breaker: {} }, '`resilience` has no option `breaker`; did you mean `circuitBreaker`?'],
    [
      resilience,
      { circuitBreaker: { resetTimeout: 9 } },
      '`circuitBreaker` has no option `resetTimeout`; did you mean `circuitBreaker.timeoutMs`?',
    ],
    [
      resilience,
      { rateLimit: { limit: 100, intervalMs: 1_000 } },
      '`rateLimit` has no option `limit`; did you mean `rateLimit.limits`, a list of { limit, intervalMs }?',
    ],
    [
      resilience,
      { rateLimit: { intervalMs: 1_000 } },
      '`rateLimit` has no option `intervalMs`; did you mean `rateLimit.limits`, a list of { limit, intervalMs }?',
    ],
    [
      resilience,
      { circuitbreaker: {} },
      '`resilience` has no option `circuitbreaker`; did you mean `circuitBreaker`?',
    ],
    [
      resilience,
      { retry: { maxAtempts: 3 } },
      '`retry` has no option `maxAtempts`; did you mean `retry.maxAttempts`?',
    ],
    [
      resilience,
      { deadLetter: { redact: { header: [] } } },
      '`deadLetter.redact` has no option `header`; did you mean `deadLetter.redact.headers`?',
    ],
    [resilience, { retry: { maxRetrys: 3 } }, /^`retry` has no option `maxRetrys`; it knows maxAttempts, /],
    [
      inScope,
      { retry: { maxAtempts: 3 } },
      '`retry` has no option `maxAtempts`; did you mean `retry.maxAttempts`?',
    ],
    [inScope, { retry: 3 }, '`retry` must be an object of options or false, got 3'],
    [inScope, { maxAttempts: 3 }, '`maxAttempts` is not an option here: did you mean `retry.maxAttempts`?'],
    [
      createHubSpotClient,
      { accessToken: 't', retry: 3 },
      '`retry` must be an object of options or false, got 3',
    ],
    [
      createHubSpotAgent,
      { deadLetter: { redact: 3 } },
      '`deadLetter.redact` must be an object of options, got 3',
    ],
    [
      resilience,
      { circuitBreaker: { threshold: 5 } },
      '`circuitBreaker` has no option `threshold`; did you mean `circuitBreaker.failureThreshold`?',
    ],
    [
      resilience,
      { retry: { multiplier: 2 } },
      '`retry` has no option `multiplier`; did you mean `retry.backoffMultiplier`?',
    ],
    [
      resilience,
      { retry: { retryStatusCodes: [503] } },
      '`retry` has no option `retryStatusCodes`; did you mean `retry.statusCodes`?',
    ],
    [
      resilience,
      { retry: { initialDelayMs: 5 } },
      '`retry` has no option `initialDelayMs`; did you mean `retry.initialBackoffMs`?',
    ],
    [
      resilience,
      { retry: { maxDelay: 5 } },
      '`retry` has no option `maxDelay`; did you mean `retry.maxBackoffMs`?',
    ],
    [
      resilience,
      { circuitBreaker: { openMs: 5 } },
      '`circuitBreaker` has no option `openMs`; did you mean `circuitBreaker.timeoutMs`?',
    ],
    [
      resilience,
      { bulkhead: { queue: 5 } },
      '`bulkhead` has no option `queue`; did you mean `bulkhead.maxQueue`?',
    ],
    [resilience, { retryBudget: {} }, '`retryBudget` is not an option here: did you mean `retry.budget`?'],
    [
      (o: never) => startReplayer(store.deadLetters, o),
      { headers: () => ({}) },
      '`startReplayer` has no option `headers`; did you mean `credentials`?',
    ],
    [
      createHubSpotClient,
      { apiKey: 'x' },
      '`createHubSpotClient` has no option `apiKey`; did you mean `accessToken`?',
    ],
    // two options go on from it
    [
      (o: never) => withCallOptions(o, () => 1),
      { key: 'a' },
      /^`withCallOptions` has no option `key`; it knows /,
    ],
    // as near as a typo, and of another meaning
    [
      (o: never) => startReplayer(store.deadLetters, o),
      { readers: 5 },
      /^`startReplayer` has no option `readers`; it knows /,
    ],
    [
      createHubSpotAgent,
      { timezone: 'UTC' },
      '`createHubSpotAgent` has no option `timezone`; did you mean `timeZone`?',
    ],
    [
      (o: never) => withRetry(() => 1, o),
      { totalTimeout: 1 },
      '`withRetry` has no option `totalTimeout`; did you mean `totalTimeoutMs`?',
    ],
    [
      (o: never) => new CircuitBreaker(o),
      { name: 'a' },
      '`CircuitBreaker` has no option `name`; did you mean `integration`?',
    ],
  ] as const)('%o(%o)', async (make, options, message) => {
    const said = await refusalOf(make as never, options)
    if (typeof message === 'string') expect(said).toBe(message)
    else expect(said).toMatch(message)
  })
})

describe('a limit by the words of other packages is refused, with the limit to write', () => {
  it.each([
    [{ perSecond: 5 }, '[{ limit: 5, intervalMs: 1000 }]'],
    [{ requestsPerSecond: 10 }, '[{ limit: 10, intervalMs: 1000 }]'],
    [{ rps: 3 }, '[{ limit: 3, intervalMs: 1000 }]'],
    [{ maxRPS: 2 }, '[{ limit: 2, intervalMs: 1000 }]'],
    [{ perMinute: 100 }, '[{ limit: 100, intervalMs: 60000 }]'],
    [{ requestsPerHour: 900 }, '[{ limit: 900, intervalMs: 3600000 }]'],
    // less than one, or no number: what to write is not known
    [{ perSecond: 0.5 }, '[{ limit, intervalMs: 1000 }]'],
    [{ perSecond: 'secret' }, '[{ limit, intervalMs: 1000 }]'],
  ])('rateLimit: %o', async (options, limits) => {
    const [name = ''] = Object.keys(options)
    expect(await refusalOf(resilience, { rateLimit: options })).toBe(
      `\`rateLimit\` has no option \`${name}\`; did you mean \`rateLimit.limits\`, here \`limits: ${limits}\`?`,
    )
  })

  it.each(
    [
      'max',
      'maxRequests',
      'points',
      'tokensPerInterval',
      'reservoir',
      'intervalCap',
      'capacity',
      'burst',
    ].concat(['window', 'windowMs', 'timeWindow', 'duration', 'perMilliseconds', 'ttl', 'minTime', 'rate']),
  )('rateLimit: { %s }', async (name) => {
    expect(await refusalOf(resilience, { rateLimit: { [name]: 5 } })).toBe(
      `\`rateLimit\` has no option \`${name}\`; did you mean \`rateLimit.limits\`, a list of { limit, intervalMs }?`,
    )
  })

  it.each([
    ['max', 'limit'],
    ['points', 'limit'],
    ['windowMs', 'intervalMs'],
    ['duration', 'intervalMs'],
  ])('rateLimit: { limits: [{ %s }] }', async (name, meant) => {
    expect(await refusalOf(resilience, { rateLimit: { limits: [{ [name]: 5 }] } })).toBe(
      `\`rateLimit.limits[0]\` has no option \`${name}\`; did you mean \`${meant}\`?`,
    )
  })
})

describe('a word that other packages use for several things is taken for what it is where it stands', () => {
  it.each([
    [
      resilience,
      { perSecond: 5 },
      '`perSecond` is not an option here: did you mean `rateLimit.limits`, here `limits: [{ limit: 5, intervalMs: 1000 }]`, or `retry.budget.perSecond`?',
    ],
    [
      resilience,
      { retry: { perSecond: 5 } },
      '`retry.perSecond` is not an option here: did you mean `retry.budget.perSecond`?',
    ],
    [
      resilience,
      { windowMs: 5 },
      '`windowMs` is not an option here: did you mean `rateLimit.limits`, a list of { limit, intervalMs }, or `circuitBreaker.windowMs`?',
    ],
    [
      resilience,
      { points: 5 },
      '`points` is not an option here: did you mean `rateLimit.limits`, a list of { limit, intervalMs }?',
    ],
    [
      resilience,
      { retry: { limit: 2 } },
      '`retry` has no option `limit`; did you mean `retry.maxAttempts`, the first included?',
    ],
    [resilience, { bulkhead: { max: 5 } }, '`bulkhead` has no option `max`; did you mean `bulkhead.limit`?'],
    [
      resilience,
      { bulkhead: { maxRequests: 5 } },
      '`bulkhead` has no option `maxRequests`; did you mean `bulkhead.limit`?',
    ],
    [
      resilience,
      { rateLimit: { timeout: 5 } },
      '`rateLimit` has no option `timeout`; did you mean `rateLimit.maxWaitMs`?',
    ],
    [
      resilience,
      { circuitBreaker: { cooldown: 5 } },
      '`circuitBreaker` has no option `cooldown`; did you mean `circuitBreaker.timeoutMs`?',
    ],
    [
      resilience,
      { circuitBreaker: { maxFailures: 5 } },
      '`circuitBreaker` has no option `maxFailures`; did you mean `circuitBreaker.failureThreshold`?',
    ],
    [
      resilience,
      { circuitBreaker: { duration: 5 } },
      '`circuitBreaker` has no option `duration`; did you mean `circuitBreaker.windowMs`?',
    ],
    // nobody means the limits of a provider by it there
    [resilience, { deadLetter: { ttl: 5 } }, /^`deadLetter` has no option `ttl`; it knows /],
    [resilience, { circuitBreaker: { ttl: 5 } }, /^`circuitBreaker` has no option `ttl`; it knows /],
    [
      (o: never) => startReplayer(store.deadLetters, o),
      { allowedOrigins: ['https://a.test'], perSecond: 5 },
      '`startReplayer` has no option `perSecond`; did you mean `ratePerSecond`?',
    ],
    [
      (o: never) => startReplayer(store.deadLetters, o),
      { allowedOrigins: ['https://a.test'], maxConcurrent: 5 },
      '`startReplayer` has no option `maxConcurrent`; did you mean `concurrency`?',
    ],
  ] as const)('%o(%o)', async (make, options, message) => {
    const said = await refusalOf(make as never, options)
    if (typeof message === 'string') expect(said).toBe(message)
    else expect(said).toMatch(message)
  })
})

describe('the options of stores and replays are as strict', () => {
  const replayer = (options: never): unknown => startReplayer(store.deadLetters, options)
  it.each([
    [
      memoryStore,
      { maxRecords: 5 },
      '`maxRecords` is not an option here: did you mean `deadLetters.maxRecords`?',
    ],
    [
      memoryStore,
      { deadLetters: { maxRecords: 0 } },
      '`deadLetters.maxRecords` must be an integer >= 1, got 0',
    ],
    [memoryStore, { deadLetters: 5 }, '`deadLetters` must be an object of options, got 5'],
    [
      replayer,
      { allowedOrigins: ['https://a.test'], ids: ['x'] },
      '`ids` is not an option here: it is one of replayDeadLetters()',
    ],
    [
      replayer,
      { allowedOrigins: ['https://a.test'], filter: { name: 'crm' } },
      '`filter` has no option `name`; did you mean `integration`?',
    ],
    [
      replayer,
      { allowedOrigins: ['https://a.test'], interval: 5 },
      '`startReplayer` has no option `interval`; did you mean `intervalMs`?',
    ],
  ] as const)('%o(%o)', async (make, options, message) => {
    expect(await refusalOf(make as never, options)).toBe(message)
  })
})

it('says which option names the value of none: undefined is left out, at every level', async () => {
  const stack = resilience({
    retry: { maxAttempts: undefined } as never,
    deadLetter: { redact: undefined } as never,
  })
  await stack.close()
})

import { expect, it } from 'vitest'
import { memoryStore, resilience, type ResilienceOptions } from '../../../src/index.ts'

const hook = (): undefined => undefined
const everything: ResilienceOptions = {
  integration: 'crm',
  retry: { maxAttempts: 3, isIdempotent: () => true, statusCodes: [503, 429] },
  circuitBreaker: { timeoutMs: 2_000, key: () => 'one' },
  rateLimit: { limits: [{ limit: 5, intervalMs: 1_000 }], maxWaitMs: 10 },
  bulkhead: { limit: 7 },
  deadLetter: {
    seal: { current: 'a', keys: { a: Buffer.alloc(32, 7) } },
    spool: memoryStore().deadLetters,
    redact: { query: ['order'] },
    labels: { team: 'billing' },
  },
  classify: hook,
  attemptTimeoutMs: 1_000,
  totalTimeoutMs: 5_000,
}

it('names the layers that are on, from the outside in', () => {
  const names = (options: ResilienceOptions): string[] =>
    resilience(options)
      .describe()
      .layers.map(({ name }) => name)
  expect(names(everything)).toEqual([
    'deadLetter',
    'totalTimeout',
    'retry',
    'rateLimit',
    'bulkhead',
    'circuitBreaker',
    'classify',
    'attemptTimeout',
  ])
  expect(names({})).toEqual(['deadLetter', 'retry', 'rateLimit', 'circuitBreaker'])
  const off = {
    deadLetter: false,
    retry: false,
    rateLimit: false,
    bulkhead: false,
    circuitBreaker: false,
  } as const
  expect(names(off)).toEqual([])
})

it('gives the options as they apply, the defaults among them, by the names that they are set with', () => {
  const { integration, layers } = resilience(everything).describe()
  const of = Object.fromEntries(layers.map(({ name, options }) => [name, options]))
  expect(integration).toBe('crm')
  expect(of).toMatchObject({
    deadLetter: { maxBodyBytes: 262_144, redact: { query: ['order'] }, labels: { team: 'billing' } },
    totalTimeout: { ms: 5_000, until: 'headers' },
    retry: { maxAttempts: 3, statusCodes: [503, 429], isIdempotent: '[function]', initialBackoffMs: 500 },
    rateLimit: { limits: [{ limit: 5, intervalMs: 1_000 }], maxWaitMs: 10, maxQueue: 1_000 },
    bulkhead: { limit: 7, maxQueue: 1_000 },
    circuitBreaker: { timeoutMs: 2_000, maxTimeoutMs: 30_000, key: '[function]' },
    classify: { classify: '[function]' },
    attemptTimeout: { ms: 1_000 },
  })
  for (const { name, options } of layers) {
    if (name.endsWith('Timeout') || name === 'classify') continue
    const again = Object.fromEntries(
      Object.entries(options).filter(([, value]) => !JSON.stringify(value).includes('[')),
    )
    const { layers: same } = resilience({ [name]: again }).describe()
    expect(same.find((layer) => layer.name === name)?.options).toMatchObject(again)
  }
})

it('prints plain values: of stores and keys nothing but what they are', () => {
  const description = resilience(everything).describe()
  const deadLetter = description.layers[0]!.options
  expect(deadLetter).toMatchObject({ seal: '[Seal]', spool: '[LocalDeadLetters]' })
  const text = JSON.stringify(description)
  expect(text).not.toContain(Buffer.alloc(32, 7).toString('base64'))
  expect(structuredClone(description)).toEqual(description)
})

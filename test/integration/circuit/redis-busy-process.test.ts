import { expect, it, vi } from 'vitest'
import { CircuitBreaker } from '../../../src/circuit/circuit-breaker.ts'
import { redisStore } from '../../../src/stores/redis/redis-store.ts'
import { untilPushed } from '../../support/fleet/shared-circuits.ts'
import { redisOfFile } from '../../support/servers/redis-of-file.ts'

const redis = redisOfFile()

const heard = (): [string[], { info(): void; warn(): void; error(): void }] => {
  const lines: string[] = []
  const log = (_context: unknown, message?: string): void => void lines.push(message ?? '')
  return [lines, { info: log, warn: log, error: log } as never]
}

/** Nothing of this process runs meanwhile. */
const stand = (ms: number): void => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)

it('is told of no loss of Redis when the process itself was busy while the answers came', async () => {
  const store = redisStore(redis.user, { commandTimeoutMs: 100, flushIntervalMs: 20 })
  const [lines, logger] = heard()
  const breaker = new CircuitBreaker({ integration: 'crm', key: 'api', store, logger })
  await untilPushed(store.circuits, store.circuits)
  for (let round = 0; round < 10; round++) {
    await breaker.execute(() => round)
    const sent = store.circuits.flush()
    // sent, and answered while nobody reads
    await new Promise<void>((resolve) => void setImmediate(resolve))
    stand(400)
    await sent
  }
  expect(lines).toEqual([])
  expect(breaker.snapshot().degraded).toBe(false)
  await breaker.close()
  await store.close()
})

it('is told that Redis does not answer in time while it stands still, and of its loss when it is gone', async () => {
  const store = redisStore(redis.user, { commandTimeoutMs: 100, flushIntervalMs: 20 })
  const [lines, logger] = heard()
  const breaker = new CircuitBreaker({
    integration: 'crm',
    key: 'slow',
    store,
    logger,
    failureThreshold: 10_000,
  })
  await untilPushed(store.circuits, store.circuits)
  await redis.user.client('PAUSE', 3_000, 'ALL')
  await vi.waitFor(async () => {
    // a failure is told at once, a success may rest
    await breaker.execute(() => Promise.reject(new Error('down'))).catch(() => undefined)
    expect(lines).toContain('redis does not answer in time: circuits go on locally')
  }, 10_000)
  await vi.waitFor(() => expect(lines).toContain('redis answers again'), 10_000)
  lines.length = 0
  await redis.server.kill({ keepDir: true })
  await vi.waitFor(() => expect(lines).toContain('redis cannot be reached: circuits go on locally'), 10_000)
  await redis.server.restart()
  await vi.waitFor(() => expect(lines).toContain('redis answers again'), 10_000)
  await breaker.close()
  await store.close()
})

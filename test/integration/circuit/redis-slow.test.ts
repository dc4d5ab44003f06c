import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it, vi } from 'vitest'
import { resolveCircuitBreakerOptions } from '../../../src/circuit/options.ts'
import { redisStore } from '../../../src/stores/redis/redis-store.ts'
import { redisOfFile } from '../../support/servers/redis-of-file.ts'

const CLIENTS = 10
const CIRCUITS = 5

const redis = redisOfFile()

async function scripts(): Promise<number> {
  return Number(/cmdstat_evalsha:calls=(\d+)/.exec(await redis.user.info('commandstats'))?.[1] ?? 0)
}

it('is asked nothing twice while it does not answer: a fleet does not pile up work for it', async () => {
  const { policy } = resolveCircuitBreakerOptions({ failureThreshold: 1_000 })
  const stores = Array.from({ length: CLIENTS }, () => redisStore(redis.user, { commandTimeoutMs: 100 }))
  const circuits = stores.flatMap((store) =>
    Array.from({ length: CIRCUITS }, (_one, at) => store.circuits.circuit(`https://api-${at}.test`, policy)),
  )
  const working = setInterval(() => {
    for (const circuit of circuits) circuit.failed(circuit.generation, 1, 0)
  }, 20)
  const alone = (): number => circuits.filter(({ shared }) => shared?.degraded !== false).length
  try {
    await vi.waitFor(() => expect(alone()).toBe(0), 10_000)
    redis.server.freeze()
    // less than the time after which ioredis itself gives a command up
    await sleep(1_800)
    expect(alone()).toBe(circuits.length)
    const before = scripts()
    redis.server.thaw()
    const from = await before
    // all that has piled up is worked off by now
    await sleep(100)
    const piledUp = (await scripts()) - from
    expect(piledUp / CLIENTS).toBeLessThanOrEqual(CIRCUITS + 1)
    await vi.waitFor(() => expect(alone()).toBe(0), 20_000)
  } finally {
    redis.server.thaw()
    clearInterval(working)
    await Promise.all(stores.map((store) => store.close()))
  }
})

import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { expect, test, vi } from 'vitest'
import { CircuitBreaker } from '../../../src/circuit/circuit-breaker.ts'
import { redisStore } from '../../../src/stores/redis/redis-store.ts'
import { untilPushed } from '../../support/fleet/shared-circuits.ts'
import { startRedis } from '../../support/servers/redis-server.ts'

test('with Sentinel, circuits survive a failover to the replica: no call fails, the views agree again', async () => {
  const master = await startRedis()
  const replica = await startRedis({ args: ['--replicaof', '127.0.0.1', String(master.port)] })
  const sentinel = await startRedis({
    config: [
      `sentinel monitor main 127.0.0.1 ${master.port} 1`,
      'sentinel down-after-milliseconds main 1000',
      '',
    ].join('\n'),
    args: ['--sentinel'],
  })
  await vi.waitFor(
    async () => expect(await replica.cli('info', 'replication')).toContain('master_link_status:up'),
    { timeout: 15_000, interval: 50 },
  )
  await vi.waitFor(
    async () => expect(await sentinel.cli('sentinel', 'master', 'main')).toMatch(/num-slaves\s+1/),
    { timeout: 15_000, interval: 100 },
  )
  const client = new Redis({
    sentinels: [{ host: '127.0.0.1', port: sentinel.port }],
    name: 'main',
    lazyConnect: true,
  })
  const stores = [redisStore(client), redisStore(client)]
  const breakers = stores.map(
    (store) => new CircuitBreaker({ integration: 'api', store, failureThreshold: 3, timeoutMs: 60_000 }),
  )
  try {
    await untilPushed(stores[0]!.circuits, stores[1]!.circuits)
    for (let index = 0; index < 3; index++) {
      await breakers[0]!.execute(() => Promise.reject(new Error('boom'))).catch(() => undefined)
    }
    await vi.waitFor(() => expect(breakers.map(({ state }) => state)).toEqual(['open', 'open']), {
      timeout: 10_000,
      interval: 5,
    })
    const { epoch } = breakers[0]!.snapshot()

    // it refuses (NOGOODSLAVE) until it has asked the replica how it fares
    await vi.waitFor(async () => expect(await sentinel.cli('sentinel', 'failover', 'main')).toBe('OK'), {
      timeout: 20_000,
      interval: 50,
    })
    const started = performance.now()
    for (let index = 0; index < 100; index++) {
      // refused by the local view all along
      expect(breakers.map(({ state }) => state)).toEqual(['open', 'open'])
      await sleep(20)
    }
    await vi.waitFor(async () => expect(await replica.cli('role')).toContain('master'), {
      timeout: 20_000,
      interval: 50,
    })
    await vi.waitFor(
      async () => {
        expect(await replica.cli('hget', 'undici-resilience:1:{api}:s', 'ep')).toBe(String(epoch))
        expect(breakers.map((breaker) => breaker.snapshot())).toMatchObject([
          { epoch, degraded: false },
          { epoch, degraded: false },
        ])
      },
      { timeout: 20_000, interval: 50 },
    )
    await untilPushed(stores[1]!.circuits, stores[0]!.circuits)
    console.log(
      `Sentinel failover: shared again after ${(performance.now() - started).toFixed(0)} ms, the circuit open all along`,
    )
    await breakers[1]!.reset()
    await vi.waitFor(() => expect(breakers[0]!.state).toBe('closed'), { timeout: 10_000, interval: 5 })
  } finally {
    for (const store of stores) await store.close()
    client.disconnect()
    await Promise.all([sentinel, replica, master].map((server) => server.stop()))
  }
}, 120_000)

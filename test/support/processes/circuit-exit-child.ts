import { Redis } from 'ioredis'
import { CircuitBreaker } from '../../../src/circuit/circuit-breaker.ts'
import { redisStore } from '../../../src/stores/redis/redis-store.ts'

// Uses a shared circuit, closes the store, and must then end by itself.
const redis = new Redis(Number(process.argv[2]), '127.0.0.1', { lazyConnect: true })
const store = redisStore(redis)
const breaker = new CircuitBreaker({ integration: 'exit', store, failureThreshold: 1 })
const fails = (): never => {
  throw new Error('boom')
}
await breaker.execute(fails).catch(() => undefined)
while (breaker.snapshot().degraded || breaker.state !== 'open') {
  await new Promise((resolve) => setTimeout(resolve, 5))
}
await store.close()
console.log(`closed, state ${breaker.state}`)

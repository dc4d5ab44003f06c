import { CircuitBreaker, CircuitBreakerOpenError, withRetry } from 'undici-resilience'

// Work that is not a fetch: an SDK with a transport of its own, a database query. It fails three times, then works.
let calls = 0
function lookUp(name: string): Promise<string> {
  calls += 1
  return calls <= 3
    ? Promise.reject(Object.assign(new Error('connection lost'), { code: 'ECONNRESET' }))
    : Promise.resolve(`${name}: 42`)
}

// `maxWaitMs: 0`: refuses at once. By default a call waits out a short opening in line, and `find` would come through.
const breaker = new CircuitBreaker({
  integration: 'directory',
  failureThreshold: 3,
  timeoutMs: 1_000,
  maxWaitMs: 0,
})

// The breaker inside, so that it sees every attempt; once it is open, retrying ends.
const find = (name: string): Promise<string> =>
  withRetry(() => breaker.execute(() => lookUp(name)), { initialBackoffMs: 10 })

try {
  await find('ada')
} catch (error) {
  if (!(error instanceof CircuitBreakerOpenError)) throw error
  console.log(`${error.name} after ${calls} calls, circuit ${breaker.state}`)
}

await new Promise((resolve) => setTimeout(resolve, 1_100))
console.log(await find('ada'))
console.log(await find('grace'))
console.log(`circuit ${breaker.state}`)

await breaker.close()

import { Agent, interceptors, setGlobalDispatcher } from 'undici'
import { circuitBreaker, retry, timeout } from 'undici-resilience'
import { startProvider } from './support/provider.ts'

const provider = await startProvider('silence', 503, 200)

// Only what you want, in your order, among undici's own interceptors: the last is the outermost. Inside `retry` a
// timeout bounds an attempt, outside of it the whole call; and the breaker sees every attempt.
const breaker = circuitBreaker()
setGlobalDispatcher(
  new Agent().compose(
    interceptors.dns(),
    timeout({ ms: 1_000 }),
    breaker,
    retry({ initialBackoffMs: 10 }),
    timeout({ ms: 10_000 }),
  ),
)

const response = await fetch(`${provider.url}/contacts/1`)
console.log(`status ${response.status} after ${provider.received.length} requests`)

const { state, failures } = breaker.circuits.state(provider.url)
console.log(`circuit ${state}, ${failures} failures counted`)

await breaker.close()
await provider.close()

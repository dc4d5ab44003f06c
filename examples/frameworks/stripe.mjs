// The stripe SDK: its own retries off, its fetch with our dispatcher. It sends an Idempotency-Key where you give one.
import Stripe from 'stripe'
import { Agent, fetch } from 'undici'
import { resilience } from 'undici-resilience'
import { startFlakyServer } from './flaky-server.mjs'

const provider = await startFlakyServer('{"id":"ch_1","object":"charge"}')
const { hostname, port } = new URL(provider.url)

const stack = resilience({ integration: 'stripe', retry: { initialBackoffMs: 10 } })
const dispatcher = new Agent().compose(stack)
const stripe = new Stripe('sk_test_secret', {
  maxNetworkRetries: 0,
  httpClient: Stripe.createFetchHttpClient((url, init) => fetch(url, { ...init, dispatcher })),
  host: hostname,
  port,
  protocol: 'http',
})

const charge = await stripe.charges.create(
  { amount: 2_000, currency: 'eur', source: 'tok_visa' },
  { idempotencyKey: 'order-17' },
)
console.log(`stripe: ${charge.id} after ${provider.asked} requests`)
await stack.close()
provider.close()

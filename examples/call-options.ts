import { Agent, setGlobalDispatcher } from 'undici'
import { resilience, withCallOptions } from 'undici-resilience'
import { startProvider } from './support/provider.ts'

// The provider books, and the connection breaks before its answer arrives.
const provider = await startProvider('reset', 201, 503)
const stack = resilience({ retry: { initialBackoffMs: 10 } })
setGlobalDispatcher(new Agent().compose(stack))

// A POST is not sent twice, unless it carries a key by which the provider knows it again.
const booking = { id: 'booking-17', seats: 2 }
const response = await withCallOptions({ idempotencyKey: booking.id }, () =>
  fetch(`${provider.url}/bookings`, { method: 'POST', body: JSON.stringify(booking) }),
)
const keys = provider.received.map(({ headers }) => headers['idempotency-key'])
console.log(`status ${response.status}, sent with ${keys.join(', then ')}`)

// Labels are on every event, log and dead letter of the call; `retry` is laid over the stack's options.
await withCallOptions({ labels: { customer: 'c-9' }, retry: { maxAttempts: 2 } }, () =>
  fetch(`${provider.url}/contacts/9`, { method: 'PUT', body: 'x' }),
)
const { items } = await stack.deadLetters.list({ label: 'customer=c-9' })
console.log(`dead letters of customer c-9: ${items.length}, after ${items[0]?.history.length} attempts`)

// A read that nobody will want later leaves no dead letter.
await withCallOptions({ retry: false, deadLetter: false }, () => fetch(`${provider.url}/prices`))
console.log(`dead letters in all: ${(await stack.deadLetters.stats()).total}`)

await stack.close()
await provider.close()

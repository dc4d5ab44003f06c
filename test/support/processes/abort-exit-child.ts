import { Agent, request } from 'undici'
import { resilience } from '../../../src/index.ts'
import { silence, startProvider, status } from '../calls/provider.ts'

/** Aborts a call in each of its waits, closes everything, and has nothing left to do. */
const provider = await startProvider()
const stack = resilience({
  attemptTimeoutMs: 60_000,
  totalTimeoutMs: 200_000,
  retry: { initialBackoffMs: 60_000, jitter: 'none' },
})
const dispatcher = new Agent().compose(stack)
for (const reply of [status(503), silence]) {
  provider.start([reply])
  const controller = new AbortController()
  const sent = request(provider.url, { signal: controller.signal, dispatcher }).catch(() => 'aborted')
  while (provider.received.length === 0) await new Promise((resolve) => setTimeout(resolve, 1))
  // long enough for the answer to be there, and the backoff begun
  await new Promise((resolve) => setTimeout(resolve, 100))
  controller.abort()
  console.log(await sent)
}
await stack.close()
await dispatcher.close()
await provider.close()

import { Agent, request } from 'undici'
import { resilience } from '../../../src/index.ts'
import { startProvider, status } from '../calls/provider.ts'

/** Ends a wait for a short opening in every way, closes everything, and has nothing left to do. */
const provider = await startProvider(status(503))
const stack = resilience({
  retry: false,
  circuitBreaker: { failureThreshold: 1, timeoutMs: 60_000, maxWaitMs: 60_000 },
})
const agent = new Agent()
const dispatcher = agent.compose(stack)

/** A call in line: what it comes to, and that it has not yet. */
async function waiting(signal?: AbortSignal): Promise<Promise<string>[]> {
  await stack.circuits.reset(provider.url)
  await (await request(provider.url, { dispatcher })).body.dump()
  const sent = request(provider.url, { dispatcher, ...(signal === undefined ? {} : { signal }) }).then(
    () => 'sent',
    ({ name, code }: Error & { code?: string }) => (name === 'AbortError' ? 'aborted' : (code ?? name)),
  )
  await new Promise((resolve) => setTimeout(resolve, 50))
  return [sent]
}

const controller = new AbortController()
const [aborted] = await waiting(controller.signal)
controller.abort()
console.log(await aborted)

const [isolated] = await waiting()
await stack.circuits.isolate(provider.url)
console.log(await isolated)

const [closed] = await waiting()
await stack.close()
console.log(await closed)

await agent.close()
await provider.close()

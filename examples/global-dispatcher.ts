import { Agent, setGlobalDispatcher } from 'undici'
import { resilience } from 'undici-resilience'
import { startProvider } from './support/provider.ts'

const provider = await startProvider(503, 503, 200)

// From here on every fetch of the process is resilient, also those of SDKs that call fetch.
const stack = resilience()
setGlobalDispatcher(new Agent().compose(stack))

const response = await fetch(`${provider.url}/contacts/1`)
console.log(`status ${response.status} after ${provider.received.length} requests`)

await stack.close()
await provider.close()

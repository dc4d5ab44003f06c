// Elastic's client speaks through undici: hand it a pool with the stack, and turn its own retries off.
import { Client } from '@elastic/elasticsearch'
import { Pool } from 'undici'
import { resilience } from 'undici-resilience'
import { startFlakyServer } from './flaky-server.mjs'

const provider = await startFlakyServer('{"count":7,"_shards":{"total":1,"successful":1,"failed":0}}')

const stack = resilience({ integration: 'elasticsearch', retry: { initialBackoffMs: 10 } })
const client = new Client({
  node: provider.url,
  maxRetries: 0,
  agent: ({ url }) => new Pool(url.origin, { connections: 20 }).compose(stack),
})

const { count } = await client.count({ index: 'contacts' }, { maxRetries: 0 })
console.log(`elasticsearch: ${count} after ${provider.asked} requests`)
await client.close()
await stack.close()
provider.close()

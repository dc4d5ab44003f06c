// The openai SDK: its own retries off, or attempts multiply.
import OpenAI from 'openai'
import { Agent, fetch } from 'undici'
import { resilience } from 'undici-resilience'
import { startFlakyServer } from './flaky-server.mjs'

const provider = await startFlakyServer('{"choices":[{"message":{"role":"assistant","content":"Hello"}}]}')

const stack = resilience({
  integration: 'openai',
  // a completion that is made twice costs tokens and harms nobody: say which POST may be sent again
  retry: { initialBackoffMs: 10, isIdempotent: ({ path }) => path.endsWith('/chat/completions') },
  attemptTimeoutMs: 60_000,
})
const openai = new OpenAI({
  apiKey: 'secret',
  baseURL: provider.url,
  maxRetries: 0,
  fetch,
  fetchOptions: { dispatcher: new Agent().compose(stack) },
})

const completion = await openai.chat.completions.create({
  model: 'gpt-5',
  messages: [{ role: 'user', content: 'Say hello' }],
})
console.log(`openai: ${completion.choices[0].message.content} after ${provider.asked} requests`)
await stack.close()
provider.close()

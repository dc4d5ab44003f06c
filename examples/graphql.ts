import { Agent, setGlobalDispatcher } from 'undici'
import { type CallRequest, resilience } from 'undici-resilience'
import { startProvider } from './support/provider.ts'

// The server is restarted: it answers 503 to the first of each pair of requests.
const provider = await startProvider(503, 200, 503, 200)

/** Every GraphQL request is a POST; one that only reads may be sent again all the same. Without its body: better not. */
function onlyReads({ path, body }: CallRequest): boolean {
  if (path !== '/graphql' || body === undefined) return false
  const { query } = JSON.parse(new TextDecoder().decode(body)) as { query?: unknown }
  // a name that merely holds one of the words costs a retry; to miss one would cost a second order
  return typeof query === 'string' && !/\b(mutation|subscription)\b/.test(query)
}

const stack = resilience({ retry: { initialBackoffMs: 10, isIdempotent: onlyReads } })
setGlobalDispatcher(new Agent().compose(stack))

async function graphql(query: string): Promise<number> {
  const response = await fetch(`${provider.url}/graphql`, { method: 'POST', body: JSON.stringify({ query }) })
  return response.status
}

const read = await graphql('query { contact(id: 7) { name } }')
console.log(`query: ${read}, sent ${provider.received.length} times`)

const written = await graphql('mutation { createOrder(item: 7) { id } }')
console.log(`mutation: ${written}, sent ${provider.received.length - 2} time`)

const { items } = await stack.deadLetters.list()
console.log(`dead letters: ${items.map(({ reason }) => reason).join()}`)

await stack.close()
await provider.close()

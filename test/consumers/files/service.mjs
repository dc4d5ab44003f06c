// An application to be bundled: it ends by itself and prints one line.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { Agent, fetch } from 'undici'
import { channels, IntegrationError, resilience } from 'undici-resilience'
import { createHubSpotClient } from 'undici-resilience/providers/hubspot'
import { sqliteStore } from 'undici-resilience/sqlite'

async function main() {
  let asked = 0
  const server = createServer((received, response) => {
    response.writeHead(received.url === '/gone' ? 503 : ([503, 503, 200][asked++] ?? 404)).end('{}')
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const url = `http://127.0.0.1:${server.address().port}`
  const store = sqliteStore(`bundled-${process.pid}.db`)
  const stack = resilience({ store, retry: { maxAttempts: 3, initialBackoffMs: 1 } })
  const dispatcher = new Agent().compose(stack)
  const { status } = await fetch(url, { dispatcher })
  const client = createHubSpotClient({ accessToken: 'x', baseUrl: url })
  const error = await client.request('/crm/v3/objects/contacts/1').catch((thrown) => thrown)
  await fetch(`${url}/gone`, { dispatcher, method: 'POST' })
  const { total } = await stack.deadLetters.stats()
  await client.close()
  await stack.close()
  await store.close()
  server.closeAllConnections()
  server.close()
  const facts = [status, asked, error instanceof IntegrationError, channels.callDone.name, total]
  console.log(facts.join(' '))
}

main()

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Agent, setGlobalDispatcher } from 'undici'
import { resilience, startReplayer } from 'undici-resilience'
import { sqliteStore } from 'undici-resilience/sqlite'
import { startProvider } from './support/provider.ts'

const provider = await startProvider(503)
const directory = mkdtempSync(join(tmpdir(), 'replay-worker-'))

// Dead letters in a file: they outlive the process, and other processes of the machine may replay them.
const store = sqliteStore(join(directory, 'dead-letters.db'))
const stack = resilience({ integration: 'crm', store, retry: { maxAttempts: 2, initialBackoffMs: 10 } })
setGlobalDispatcher(new Agent().compose(stack))

const headers = { authorization: 'Bearer secret', 'content-type': 'application/json' }
for (const id of [1, 2]) {
  await fetch(`${provider.url}/contacts/${id}`, { method: 'PUT', headers, body: JSON.stringify({ id }) })
}
await stack.close()
console.log(`dead letters: ${(await store.deadLetters.stats()).total}`)

// The worker: every half minute, slower than live traffic, with the circuit obeyed. Credentials are not stored: they
// are given anew, and go only to the origins named here.
provider.answer(200)
const replayer = startReplayer(store.deadLetters, {
  allowedOrigins: [provider.url],
  credentials: () => ({ authorization: 'Bearer secret' }),
  ratePerSecond: 10,
  // Asked just before each is sent: somebody may have written the contact meanwhile.
  decide: ({ timestamp }) => (timestamp < Date.now() - 7 * 86_400_000 ? 'hold' : 'send'),
  onProgress: ({ method, url, outcome, statusCode }) =>
    console.log(`${outcome}: ${method} ${new URL(url).pathname} ${statusCode}`),
})

// A worker would now wait for SIGTERM; this one asks for its first run at once, and ends.
await replayer.run()
console.log(`dead letters: ${(await store.deadLetters.stats()).total}`)

await replayer.close()
await store.close()
await provider.close()
rmSync(directory, { recursive: true })

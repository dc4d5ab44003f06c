// A function that is frozen between invocations: made once, outside of the handler, and flushed before each answer.
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Agent, fetch } from 'undici'
import { resilience } from 'undici-resilience'
import { sqliteStore } from 'undici-resilience/sqlite'
import { startFlakyServer } from './flaky-server.mjs'

const provider = await startFlakyServer()

// /tmp is gone with the instance: `redisStore` or `postgresStore` where no request may be lost
const store = sqliteStore(join(tmpdir(), `lambda-${process.pid}.db`))
const stack = resilience({
  store,
  retry: { initialBackoffMs: 10, maxAttempts: 3 },
  totalTimeoutMs: 8_000, // below the timeout of the function, so that its end is ours
})
const dispatcher = new Agent().compose(stack)

/** @param event `{ id, method }` */
export async function handler({ id, method }) {
  try {
    const answer = await fetch(`${provider.url}/contacts/${id}`, { method, dispatcher })
    return { statusCode: answer.status, body: await answer.text() }
  } finally {
    // nothing runs once the answer is out: let results and captures arrive first
    await Promise.all([store.circuits.flush(), store.limits.flush(), stack.deadLetters.stats()])
  }
}

for (const [id, method] of [
  [1, 'GET'],
  [2, 'POST'],
]) {
  const { statusCode } = await handler({ id, method })
  const { total } = await store.deadLetters.stats()
  console.log(`lambda: ${method} ${statusCode}, ${total} dead letters`)
}
await stack.close()
await store.close()
provider.close()

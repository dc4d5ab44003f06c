import { fork } from 'node:child_process'
import { on, once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { Agent, setGlobalDispatcher } from 'undici'
import { resilience } from 'undici-resilience'
import { redisStore } from 'undici-resilience/redis'
import { sqliteStore } from 'undici-resilience/sqlite'
import { startRedis } from '../test/support/servers/redis-server.ts'
import { startProvider } from './support/provider.ts'

const [, , name, redisUrl, providerUrl, spoolFile] = process.argv
await (name === undefined ? fleet() : pod(name, redisUrl ?? '', providerUrl ?? '', spoolFile ?? ''))

/** One process of many. What it learns of the provider all learn, and no healthy or refused call waits for Redis. */
async function pod(pod: string, redisUrl: string, url: string, spoolFile: string): Promise<void> {
  const redis = new Redis(redisUrl)
  const store = redisStore(redis)
  // on this machine's disk: where dead letters wait while Redis is away
  const spool = sqliteStore(spoolFile)
  const stack = resilience({
    integration: 'crm',
    store,
    retry: false,
    // calls are refused at once, not held for up to `maxWaitMs`
    circuitBreaker: { failureThreshold: 4, timeoutMs: 1_500, maxWaitMs: 0 },
    deadLetter: { spool: spool.deadLetters },
  })
  setGlobalDispatcher(new Agent().compose(stack))

  const call = async (): Promise<string> => {
    try {
      const response = await fetch(`${url}/contacts`)
      await response.arrayBuffer()
      return `answered ${response.status}`
    } catch (error) {
      return `refused: ${((error as Error).cause as Error).name}`
    }
  }

  // The fleet says what to do: a call, or to wait until this process sees the circuit in a state.
  for await (const [order] of on(process, 'message') as AsyncIterable<['call' | 'open' | 'closed' | 'end']>) {
    if (order === 'end') break
    if (order === 'call') console.log(`${pod}: ${await call()}`)
    else {
      while (stack.circuits.state(url).state !== order) await sleep(5)
      console.log(`${pod}: circuit ${order}`)
    }
    process.send?.('done')
  }
  await stack.close()
  await Promise.all([store.close(), spool.close()])
  redis.disconnect()
  process.disconnect()
}

/** Two pods, and four failures of which each sees two: neither would have opened its circuit alone. */
async function fleet(): Promise<void> {
  const redis = await startRedis()
  const provider = await startProvider(500)
  const directory = mkdtempSync(join(tmpdir(), 'redis-fleet-'))
  const spool = join(directory, 'spool.db')
  const [a, b] = ['pod a', 'pod b'].map((pod) =>
    fork(import.meta.filename, [pod, redis.url, provider.url, spool]),
  )
  if (a === undefined || b === undefined) return

  for (const pod of [a, b, a, b]) await tell(pod, 'call')
  await Promise.all([tell(a, 'open'), tell(b, 'open')])
  for (const pod of [a, b]) await tell(pod, 'call')

  // A second and a half later two probes, wherever they are made, close it for all.
  provider.answer(200)
  await sleep(1_600)
  for (const pod of [a, b]) await tell(pod, 'call')
  await Promise.all([tell(a, 'closed'), tell(b, 'closed')])
  console.log(`the provider saw ${provider.received.length} of 8 calls`)

  const ended = Promise.all([once(a, 'exit'), once(b, 'exit')])
  a.send('end')
  b.send('end')
  await ended
  await provider.close()
  await redis.stop()
  rmSync(directory, { recursive: true })
}

async function tell(pod: ReturnType<typeof fork>, order: string): Promise<void> {
  const done = once(pod, 'message')
  pod.send(order)
  await done
}

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { createHubSpotClient } from 'undici-resilience/providers/hubspot'
import { redisStore } from 'undici-resilience/redis'
import { FakeHubSpot } from '../../test/support/providers/fakes/fake-hubspot.ts'
import { DocumentedLimits } from '../../test/support/providers/push/documented-limits.ts'
import { startRedis } from '../../test/support/servers/redis-server.ts'

const [, , redisUrl, baseUrl, from, to] = process.argv
await (redisUrl === undefined ? push() : worker(redisUrl, baseUrl ?? '', Number(from), Number(to)))

/**
 * One of two processes that create contacts, all at once. The limit is of both together, by the store. A job that was begun and
 * is not done may have arrived: HubSpot is asked before it is sent again.
 */
async function worker(redisUrl: string, baseUrl: string, from: number, to: number): Promise<void> {
  const redis = new Redis(redisUrl)
  const store = redisStore(redis)
  const limits = [{ limit: 20, intervalMs: 500 }]
  const hubspot = createHubSpotClient({ accessToken: 'token', baseUrl, store, rateLimit: { limits } })

  const create = async (job: number): Promise<void> => {
    const email = `person-${job}@example.com`
    if ((await redis.sismember('done', job)) === 1) return
    const begun = (await redis.sadd('begun', job)) === 0
    if (!begun || (await hubspot.findContact(email)) === undefined) await hubspot.createContact({ email })
    await redis.sadd('done', job)
  }
  await Promise.all(Array.from({ length: to - from }, (_, index) => create(from + index)))

  await hubspot.close()
  await store.close()
  redis.disconnect()
  process.disconnect()
}

/** 60 contacts at 20 in half a second, and one of the two processes killed half way. */
async function push(): Promise<void> {
  const redis = await startRedis()
  const fake = await new FakeHubSpot('token').start()
  fake.limits = new DocumentedLimits({ windows: [{ max: 20, windowMs: 500 }] })
  const start = (from: number, to: number) =>
    fork(import.meta.filename, [redis.url, fake.baseUrl, String(from), String(to)], {
      execArgv: [...process.execArgv, '--disable-warning=ResilienceWarning'],
    })

  const [one, two] = [start(0, 30), start(30, 60)]
  const twoEnds = once(two, 'exit')
  // one alone has not come to its end either: no process may create more in the first half second
  while (fake.created.size < 20) await sleep(5)
  one.kill('SIGKILL')
  await twoEnds
  // what was on its way arrives or does not: only then can HubSpot be asked for it
  await sleep(500)
  const killed = fake.created.size < 60
  const [code] = (await once(start(0, 30), 'exit')) as [number]

  console.log(`killed half way: ${killed}, gone on with to the end: ${code === 0}`)
  console.log(`contacts ${fake.created.size} of 60, twice ${fake.duplicates}`)
  // none, unless this machine is so busy that requests arrive in bursts
  console.log(`answers of 429: ${fake.limitsSent}`)
  await fake.close()
  await redis.stop()
}

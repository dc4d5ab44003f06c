import { createHash } from 'node:crypto'
import { statfsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { request } from 'undici'
import { afterEach, expect, it } from 'vitest'
import { deadLetter, type DeadLetterInterceptor } from '../../../src/dead-letter/interceptor.ts'
import type { DeadLetterStore } from '../../../src/dead-letter/store/store.ts'
import { redisStore } from '../../../src/stores/redis/redis-store.ts'
import { sqliteStore } from '../../../src/stores/sqlite/sqlite-store.ts'
import { Unavailable } from '../../support/calls/unavailable.ts'
import { startRedis } from '../../support/servers/redis-server.ts'
import { type SmallDisk, smallDisk } from '../../support/servers/small-disk.ts'

const MIB = 1024 * 1024
const CALLS = 2000

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean()
})

/** Of 100 bytes to 32 KiB; small and large by turns, so that some fit where others do not. */
function bodyOf(n: number): Buffer {
  const seed = createHash('sha512').update(String(n)).digest()
  return Buffer.alloc(n % 3 === 0 ? 100 + (n % 1000) : 64 * (1 + ((n * 7919) % 512)), seed)
}

async function failAll(letters: DeadLetterInterceptor): Promise<number> {
  const dispatcher = new Unavailable().compose(letters)
  let bytes = 0
  for (let n = 0; n < CALLS; n++) {
    const body = bodyOf(n)
    bytes += body.byteLength
    const url = `https://api.example.com/orders/${n}`
    await (await request(url, { method: 'POST', body, dispatcher })).body.dump()
  }
  return bytes
}

/** Which calls the store has: their numbers, each as often as it is there, and those with another body than was sent. */
async function kept(store: DeadLetterStore): Promise<{ numbers: number[]; damaged: number[] }> {
  const numbers: number[] = []
  const damaged: number[] = []
  let cursor: string | undefined
  do {
    const page = await store.list({ limit: 500, ...(cursor === undefined ? {} : { cursor }) })
    for (const { id, request } of page.items) {
      const n = Number(request.url.split('/').at(-1))
      numbers.push(n)
      const entry = await store.get(id)
      if (!bodyOf(n).equals(entry?.request.body ?? Buffer.alloc(0))) damaged.push(n)
    }
    cursor = page.cursor
  } while (cursor !== undefined)
  return { numbers: numbers.sort((a, b) => a - b), damaged }
}

const everyCall = Array.from({ length: CALLS }, (_, n) => n)

function freeBytes({ folder }: SmallDisk): number {
  const { bavail, bsize } = statfsSync(folder)
  return bavail * bsize
}

it.each(['disk', 'Redis'] as const)(
  'loses nothing and keeps nothing twice when Redis and the disk of the spool fill up, and the %s gets room first',
  async (first) => {
    const server = await startRedis({ args: ['--maxmemory', '4mb', '--maxmemory-policy', 'noeviction'] })
    const disk = smallDisk(12 * MIB)
    const client = new Redis(server.url)
    const store = redisStore(client)
    const spool = sqliteStore(join(disk.folder, 'spool.db'))
    const dropped: string[] = []
    const letters = deadLetter({
      store,
      spool: spool.deadLetters,
      onDrop: (_record, reason) => dropped.push(reason),
    })
    cleanups.push(
      () => server.stop(),
      () => disk.remove(),
      () => client.disconnect(),
      () => store.close(),
      () => spool.close(),
      () => letters.close({ timeoutMs: 0 }),
    )
    const bytes = await failAll(letters)
    expect(await letters.flush({ timeoutMs: 5000 })).toBe(false)
    const inRedis = (await store.deadLetters.stats()).total
    const inSpool = (await spool.deadLetters.stats()).total
    console.log(
      `${CALLS} calls, ${Math.round(bytes / MIB)} MiB: full with ${inRedis} in Redis (4 MB), ${inSpool} in the spool ` +
        `(12 MB, ${disk.kind}, ${Math.round(freeBytes(disk) / 1024)} KiB free), the rest in memory`,
    )
    expect(inRedis).toBeLessThan(CALLS)
    expect(inSpool).toBeGreaterThan(0)

    const began = performance.now()
    const growDisk = async (): Promise<void> => disk.grow()
    const growRedis = async (): Promise<void> => void (await server.cli('config', 'set', 'maxmemory', '0'))
    const [one, other] = first === 'disk' ? [growDisk, growRedis] : [growRedis, growDisk]
    // a little at a time: small ones fit, large ones do not
    for (let step = 0; step < 6; step++) {
      const used = Number(/used_memory:(\d+)/.exec(await server.cli('info', 'memory'))![1])
      await server.cli('config', 'set', 'maxmemory', String(used + 150_000))
      await sleep(600)
    }
    await one()
    if (first === 'disk') expect(await letters.flush({ timeoutMs: 60_000 })).toBe(true)
    // the other is still full: what memory and spool hold finds its way alone
    else {
      await expect
        .poll(async () => (await store.deadLetters.stats()).total, { timeout: 60_000 })
        .toBeGreaterThan(inRedis)
    }
    await other()
    await expect.poll(async () => (await store.deadLetters.stats()).total, { timeout: 90_000 }).toBe(CALLS)
    await expect.poll(async () => (await spool.deadLetters.stats()).total, { timeout: 30_000 }).toBe(0)
    const { numbers, damaged } = await kept(store.deadLetters)
    const payloads = await client.xlen('undici-resilience:1:{dead-letters}:payloads')
    console.log(
      `room again, ${first} first: ${numbers.length} in Redis, ${payloads} payloads, 0 in the spool, ${damaged.length} damaged, ` +
        `${dropped.length} dropped, after ${Math.round((performance.now() - began) / 1000)} s`,
    )
    expect(numbers).toEqual(everyCall)
    expect(payloads).toBe(CALLS)
    expect(damaged).toEqual([])
    expect(dropped).toEqual([])
  },
)

it('loses nothing and keeps nothing twice when the disk of the store fills up and there is no spool', async () => {
  const disk = smallDisk(12 * MIB)
  const store = sqliteStore(join(disk.folder, 'letters.db'))
  const dropped: string[] = []
  const letters = deadLetter({ store, onDrop: (_record, reason) => dropped.push(reason) })
  cleanups.push(
    () => disk.remove(),
    () => store.close(),
    () => letters.close({ timeoutMs: 0 }),
  )
  const bytes = await failAll(letters)
  expect(await letters.flush({ timeoutMs: 4000 })).toBe(false)
  const before = (await store.deadLetters.stats()).total
  disk.grow()
  expect(await letters.flush({ timeoutMs: 60_000 })).toBe(true)
  const { numbers, damaged } = await kept(store.deadLetters)
  console.log(
    `${CALLS} calls, ${Math.round(bytes / MIB)} MiB, into SQLite on 12 MB (${disk.kind}): ${before} kept, then ` +
      `${numbers.length} with room, ${damaged.length} damaged, ${dropped.length} dropped`,
  )
  expect(before).toBeLessThan(CALLS)
  expect(numbers).toEqual(everyCall)
  expect(damaged).toEqual([])
  expect(dropped).toEqual([])
})

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { Queue } from 'bullmq'
import { expect, it } from 'vitest'
import { bullmqSink } from '../../../src/entries/bullmq.ts'
import { makeRecord } from '../../../src/testing/contracts/records.ts'
import { startRedis } from '../../support/servers/redis-server.ts'

const LETTERS = 600
const WORKERS = 3
const KILLS = 12
const LOCK_MS = 1_000
/** For each step on a machine that is much slower. */
const SLOW = { timeout: 90_000, interval: 5 }

it(
  'sends nothing twice that must not be, while worker processes are killed as they send',
  { timeout: 240_000 },
  async () => {
    const server = await startRedis()
    const arrivals = new Map<string, number>()
    const provider = createServer((incoming, response) => {
      const id = String(incoming.headers['x-letter'])
      arrivals.set(id, (arrivals.get(id) ?? 0) + 1)
      incoming.resume()
      setTimeout(() => response.end('ok'), 20 + Math.random() * 40)
    })
    await new Promise<void>((resolve) => provider.listen(0, '127.0.0.1', resolve))
    const origin = `http://127.0.0.1:${(provider.address() as AddressInfo).port}`
    const queue = new Queue('letters', { connection: { port: server.port, enableOfflineQueue: false } })
    queue.on('error', () => undefined)
    await queue.waitUntilReady()
    const letters = Array.from({ length: LETTERS }, (_, at) =>
      makeRecord({
        delivery: 'not-sent',
        request: { url: `${origin}/orders`, method: at % 2 === 0 ? 'POST' : 'PUT' },
      }),
    )
    const unsafe = new Set(letters.filter(({ request: { method } }) => method === 'POST').map(({ id }) => id))
    await bullmqSink(queue).add(letters)
    const start = (): ChildProcess => {
      const script = join(import.meta.dirname, 'bullmq-worker-child.ts')
      const args = [script, String(server.port), queue.name, origin, String(LOCK_MS)]
      return spawn(process.execPath, ['--import', './test/support/register.ts', ...args], {
        stdio: ['ignore', 'ignore', 'inherit'],
      })
    }
    const workers = Array.from({ length: WORKERS }, start)
    try {
      await expect.poll(() => arrivals.size, SLOW).toBeGreaterThan(5)
      let kills = 0
      for (; kills < KILLS && arrivals.size < LETTERS - 40; kills++) {
        const before = arrivals.size
        await expect.poll(() => arrivals.size, SLOW).toBeGreaterThan(before + 5)
        const victim = workers.shift()!
        const gone = once(victim, 'exit')
        victim.kill('SIGKILL')
        await gone
        workers.push(start())
      }
      const isOver = async (): Promise<number> =>
        (await queue.getCompletedCount()) + (await queue.getFailedCount())
      await expect.poll(isOver, { ...SLOW, interval: 200 }).toBe(LETTERS)

      const failed = new Map((await queue.getFailed()).map(({ id, failedReason }) => [id!, failedReason]))
      const done = new Set((await queue.getCompleted()).map(({ id }) => id!))
      const twice = [...arrivals].filter(([, count]) => count > 1)
      console.log(
        `${kills} workers of BullMQ killed as they sent ${LETTERS} letters: ${failed.size} in doubt, ` +
          `${twice.length} repeatable ones sent again, ${LETTERS - done.size - failed.size} lost`,
      )
      expect(twice.filter(([id]) => unsafe.has(id))).toEqual([])
      for (const [id, reason] of failed) {
        expect(reason).toMatch(/^in-doubt: /)
        expect(unsafe.has(id)).toBe(true)
      }
      // what is done has arrived
      expect([...done].filter((id) => !arrivals.has(id))).toEqual([])
      // each kill took some with it, or nothing was seen
      expect(kills).toBeGreaterThan(3)
      expect(failed.size + twice.length).toBeGreaterThan(0)
    } finally {
      for (const worker of workers) worker.kill('SIGKILL')
      await queue.close()
      provider.closeAllConnections()
      provider.close()
      await server.stop()
    }
  },
)

import { spawn, type ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { redisStore } from '../../../src/stores/redis/redis-store.ts'
import { type RunningRedis, startRedis } from '../../support/servers/redis-server.ts'
import { chaosBody } from '../chaos-body.ts'

const CALLS = 10_000
const SHARE = 500

let server: RunningRedis
let folder: string
beforeAll(async () => {
  // every write is on disk before it is answered: what Redis has acknowledged survives its own SIGKILL
  server = await startRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] })
  folder = await mkdtemp(join(tmpdir(), 'chaos-'))
})
afterAll(async () => {
  await server.stop()
  await rm(folder, { recursive: true })
})

function child(from: number, to: number): ChildProcess {
  const script = new URL('dead-letter-capture-child.ts', import.meta.url).pathname
  const args = ['--import', './test/support/register.ts', script, server.url]
  const files = [join(folder, 'spool.db'), join(folder, 'acks.txt'), String(from), String(to)]
  return spawn(process.execPath, [...args, ...files], { stdio: ['ignore', 'pipe', 'inherit'] })
}

function ended(process: ChildProcess): Promise<void> {
  return new Promise((resolve) => process.once('exit', () => resolve()))
}

it('loses no acknowledged capture, whatever is killed, stalled or full', { timeout: 480_000 }, async () => {
  const counts = {
    'Redis killed': 0,
    'Redis stalled': 0,
    'Redis full': 0,
    'process killed': 0,
    'process finished': 0,
  }
  let over = false
  const faults = (async () => {
    while (!over) {
      await sleep(100 + Math.random() * 500)
      if (over) return
      const kind = Math.random()
      if (kind < 0.35) {
        counts['Redis killed']++
        await server.kill({ keepDir: true })
        await sleep(Math.random() * 400)
        await server.restart()
      } else if (kind < 0.7) {
        counts['Redis stalled']++
        server.freeze()
        await sleep(200 + Math.random() * 500)
        server.thaw()
      } else {
        counts['Redis full']++
        await server.cli('config', 'set', 'maxmemory', '1mb')
        await sleep(200 + Math.random() * 300)
        await server.cli('config', 'set', 'maxmemory', '0')
      }
    }
  })()

  let told = ''
  for (let from = 0; from < CALLS; from += SHARE) {
    const process = child(from, from + SHARE)
    process.stdout!.on('data', (text: Buffer) => (told += text.toString()))
    const end = ended(process)
    // some live to their end, most do not: killed at any point, once something was captured
    if ((from / SHARE) % 4 !== 3) {
      await Promise.race([once(process.stdout!, 'data'), end])
      await Promise.race([sleep(Math.random() * 1000), end])
      process.kill('SIGKILL')
    }
    await end
    counts[process.signalCode === 'SIGKILL' ? 'process killed' : 'process finished']++
  }
  over = true
  await faults
  await server.cli('config', 'set', 'maxmemory', '0')
  const drain = child(0, 0)
  await ended(drain)
  expect(drain.exitCode).toBe(0)

  const acks = (await readFile(join(folder, 'acks.txt'), 'utf8')).trimEnd().split('\n')
  const acknowledged = new Map<string, { n: number; where: string }>()
  for (const line of acks) {
    const [id = '', n, where = ''] = line.split(' ')
    acknowledged.set(id, { n: Number(n), where })
  }
  const client = new Redis(server.url)
  const store = redisStore(client)
  const lost: string[] = []
  const damaged: string[] = []
  for (const [id, { n }] of acknowledged) {
    const entry = await store.deadLetters.get(id)
    if (entry === undefined) lost.push(id)
    // a line of the draining process names no number
    else if (!Number.isNaN(n)) {
      const expected = createHash('sha256').update(chaosBody(n)).digest('hex')
      const body = createHash('sha256')
        .update(entry.request.body ?? '')
        .digest('hex')
      if (body !== expected || entry.request.sha256 !== expected) damaged.push(id)
    }
  }
  const { total } = await store.deadLetters.stats()
  const payloads = await client.xrange('undici-resilience:1:{dead-letters}:payloads', '-', '+')
  const states = await client.hgetall('undici-resilience:1:{dead-letters}:states')
  const payloadOf = (state: string): string => (JSON.parse(state) as { payload: string }).payload
  const used = new Set(Object.values(states).map(payloadOf))
  const left = payloads.filter(([payload]) => !used.has(payload))
  const bySpool = [...acknowledged.values()].filter(({ where }) => where === 'spool').length
  console.log(
    `captures: ${CALLS} calls, ${acknowledged.size} acknowledged (${bySpool} by the spool), ${total} in Redis, ` +
      `${left.length} payloads left by cut transactions, ` +
      `${lost.length} lost, ${damaged.length} damaged;`,
    JSON.stringify(counts),
  )
  expect(lost).toEqual([])
  expect(damaged).toEqual([])
  expect(told.replaceAll('captured\n', '')).toBe('')
  // exactly once: each entry has its own payload
  expect([Object.keys(states).length, used.size]).toEqual([total, total])
  // Where a kill cuts a transaction in the middle of a command of it, Redis 7.0 does not run it as it loads its log, and
  // runs it with the next one as it loads that again ("MULTI calls can not be nested"). The record was added again by then,
  // or its process was killed before it was acknowledged.
  for (const [payload, fields] of left) {
    const { id } = JSON.parse(fields[fields.indexOf('record') + 1]!) as { id: string }
    const state = states[id]
    if (state === undefined) {
      expect(acknowledged.has(id), `the entry of payload ${payload} is lost`).toBe(false)
    } else expect(payloadOf(state)).not.toBe(payload)
  }
  expect(left.length).toBeLessThan(total / 100)
  expect(total).toBeGreaterThanOrEqual(acknowledged.size)
  expect(acknowledged.size).toBeGreaterThan(CALLS / 4)
  for (const [fault, times] of Object.entries(counts)) expect(times, fault).toBeGreaterThan(0)
  await store.close()
  client.disconnect()
})

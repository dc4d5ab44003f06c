import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { expect, it } from 'vitest'
import { percentile } from '../../support/fleet/fleet.ts'
import { startPostgres } from '../../support/servers/postgres-server.ts'

const ORDERS = 2_000
const KILLS = 20
/** Taken after the last kill: what their webhooks wait says what an outbox costs while nothing is wrong. */
const CALM = 400
const CALM_EVERY_MS = 20

interface Arrival {
  readonly n: number
  readonly key: string
  readonly at: number
}

it(
  'delivers the webhook of each order that was committed, in order and under its key, and of none that was rolled back',
  { timeout: 300_000 },
  async () => {
    const server = await startPostgres()
    const folder = mkdtempSync(join(tmpdir(), 'outbox-'))
    const logPath = join(folder, 'commits.txt')
    const arrivals: Arrival[] = []
    const provider = createServer((request, response) => {
      request.resume().on('end', () => {
        const n = Number(request.url?.split('/').at(-1))
        arrivals.push({ n, key: String(request.headers['idempotency-key']), at: Date.now() })
        response.end('ok')
      })
    })
    await new Promise<void>((resolve) => provider.listen(0, '127.0.0.1', resolve))
    const origin = `http://127.0.0.1:${(provider.address() as AddressInfo).port}`
    const client = new pg.Client(server.url)
    await client.connect()
    await client.query('CREATE TABLE orders (n integer PRIMARY KEY)')
    const taken = async (): Promise<number> =>
      Number((await client.query<{ count: string }>('SELECT count(*) FROM orders')).rows[0]!.count)

    let child: ChildProcess | undefined
    const start = (orders: number, everyMs = 0): { child: ChildProcess; ended: Promise<number | null> } => {
      const script = new URL('outbox-child.ts', import.meta.url).pathname
      const args = [
        '--import',
        './test/support/register.ts',
        script,
        server.url,
        origin,
        logPath,
        String(orders),
        String(everyMs),
      ]
      const started = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'] })
      child = started
      return { child: started, ended: new Promise((resolve) => started.once('exit', resolve)) }
    }
    try {
      let kills = 0
      for (; kills < KILLS; kills++) {
        const before = arrivals.length
        const run = start(ORDERS - CALM)
        // at any point, once it does something: between a commit and its sending, amid a transaction, amid a request
        while (arrivals.length === before && run.child.exitCode === null) await sleep(5)
        await sleep(Math.random() * 150)
        run.child.kill('SIGKILL')
        await run.ended
      }
      const takenAtLastKill = await taken()
      expect(await start(ORDERS - CALM).ended).toBe(0)
      const calmFrom = Date.now()
      expect(await start(ORDERS, CALM_EVERY_MS).ended).toBe(0)

      const committed = (await client.query<{ n: number }>('SELECT n FROM orders ORDER BY n')).rows.map(
        ({ n }) => n,
      )
      expect(committed).toEqual(Array.from({ length: ORDERS }, (_, n) => n).filter((n) => n % 3 !== 0))
      const first = new Map<number, Arrival>()
      for (const arrival of arrivals) if (!first.has(arrival.n)) first.set(arrival.n, arrival)
      expect([...first.keys()].sort((a, b) => a - b)).toEqual(committed)
      for (const { n, key } of arrivals) expect(key).toBe(`order-${n}`)
      for (let customer = 0; customer < 20; customer++) {
        const order = [...first.keys()].filter((n) => n % 20 === customer)
        expect(order, `customer ${customer}`).toEqual([...order].sort((a, b) => a - b))
      }

      expect(existsSync(logPath)).toBe(true)
      const waits: number[] = []
      const calm: number[] = []
      for (const line of readFileSync(logPath, 'utf8').trim().split('\n')) {
        const [n = NaN, at = NaN] = line.split(' ').map(Number)
        const wait = Math.max(0, first.get(n)!.at - at)
        ;(at >= calmFrom ? calm : waits).push(wait)
      }
      const shown = (of: number[]): string =>
        `p50 ${percentile(of, 0.5).toFixed(0)}, p99 ${percentile(of, 0.99).toFixed(0)}, max ${Math.max(...of).toFixed(0)} ms`
      console.log(
        `outbox: ${ORDERS} transactions, ${committed.length} committed, ${kills} kills (the last with ${takenAtLastKill} taken): ` +
          `${arrivals.length} arrivals, ${arrivals.length - committed.length} of them again under the same key\n` +
          `  from commit to arrival, with kills (leases of 1 s): ${shown(waits)}\n` +
          `  without: ${shown(calm)}`,
      )
      expect(percentile(calm, 0.5)).toBeLessThan(1_000)
    } finally {
      child?.kill('SIGKILL')
      await client.end()
      await server.stop()
      provider.closeAllConnections()
      await new Promise((resolve) => provider.close(resolve))
      rmSync(folder, { recursive: true })
    }
  },
)

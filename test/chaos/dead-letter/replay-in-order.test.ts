import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import type { DeadLetterRecord } from '../../../src/dead-letter/record/record.ts'
import { makeRecord } from '../../../src/testing/contracts/records.ts'
import { type Fault, FaultyReplayers } from '../../support/dead-letters/faulty-replayers.ts'
import { fleetServer } from '../../support/fleet/fleet-server.ts'
import { sharedPlaces } from '../../support/fleet/shared-places.ts'

const ENTRIES = 3_000
const KEYS = 300
const REPLAYERS = 8
const LEASE_MS = 2_000
/** After it only peace, so that it comes to an end. */
const FAULTS = 28

/** One request as the provider saw it. */
interface Arrival {
  readonly n: number
  readonly pid: string
  readonly idempotencyKey: string
  readonly at: number
  endedAt: number
}

/**
 * When a process was about to write an entry's request, when it gave up waiting for the answer, and when it knew that the
 * store had settled it.
 */
interface Told {
  sending: number[]
  unanswered: number[]
  done: number[]
}

function toldBy(logPath: string): (id: string, pid: string) => Told {
  const told = new Map<string, Told>()
  const of = (id: string, pid: string): Told => {
    const known = told.get(`${id} ${pid}`) ?? { sending: [], unanswered: [], done: [] }
    told.set(`${id} ${pid}`, known)
    return known
  }
  for (const line of readFileSync(logPath, 'utf8').trimEnd().split('\n')) {
    const [what, id = '', pid = '', at] = line.split(' ')
    of(id, pid)[what as keyof Told].push(Number(at))
  }
  return of
}

it.each(sharedPlaces)(
  'sends each entry of %s once and in order, and again only where its process was killed or stopped with it',
  { timeout: 300_000 },
  async (name, begin) => {
    const [place, stop] = await begin()
    const folder = mkdtempSync(join(tmpdir(), 'replay-'))
    const logPath = join(folder, 'log.txt')
    const arrivals: Arrival[] = []
    const atWork = new Set<string>()
    const provider = createServer((request, response) => {
      const at = Date.now()
      const pid = String(request.headers['x-replayer'])
      const n = order.get(request.url!.slice(1))!
      const arrival: Arrival = {
        n,
        pid,
        idempotencyKey: String(request.headers['idempotency-key']),
        at,
        endedAt: Infinity,
      }
      arrivals.push(arrival)
      atWork.add(pid)
      request.resume()
      // finished, or its connection is gone
      response.once('close', () => (arrival.endedAt = Date.now()))
      setTimeout(() => response.end(), 5 + Math.random() * 30)
    })
    await new Promise<void>((resolve) => provider.listen(0, '127.0.0.1', resolve))
    const origin = `http://127.0.0.1:${(provider.address() as AddressInfo).port}`
    const server = fleetServer(place, {})
    const letters = server.store.deadLetters
    const entries = Array.from({ length: ENTRIES }, (_, n): DeadLetterRecord => {
      const record = makeRecord({ timestamp: Date.now() - ENTRIES + n })
      const request = { ...record.request, method: 'POST', url: `${origin}/${record.id}` }
      return { ...record, request, idempotencyKey: `key-${n}`, orderingKey: `customer-${n % KEYS}` }
    })
    const order = new Map(entries.map(({ id }, n) => [id, n]))
    await letters.add(entries)

    const began = Date.now()
    const replayers = new FaultyReplayers(REPLAYERS, () => {
      const script = new URL('replay-in-order-child.ts', import.meta.url).pathname
      const args = [script, JSON.stringify(place), origin, String(LEASE_MS), logPath]
      return spawn(process.execPath, ['--import', './test/support/register.ts', ...args], {
        stdio: ['ignore', 'ignore', 'inherit'],
      })
    })
    try {
      const { counts } = replayers
      while ((await letters.stats()).total > 0 && Date.now() - began < 200_000) {
        await sleep(100 + Math.random() * 150)
        if (counts.killed + counts.stalled === FAULTS) continue
        // some longer than a lease and the wait of those that lapsed, some shorter
        replayers.hurtOne(
          (pid) => atWork.has(pid),
          () => LEASE_MS * (0.2 + Math.random() * 2.3),
        )
      }
      await replayers.allGoOn()
      const tookMs = Date.now() - began
      // what a thawed process still had to say
      await sleep(LEASE_MS)
      replayers.end()

      const told = toldBy(logPath)
      const hit = (pid: string, within: (fault: Fault) => boolean): boolean =>
        replayers.faultsOf(pid).some(within)
      /**
       * Stopped between its last look at its lease and the write: when it goes on, the request leaves, and nobody can know
       * of it. That is what idempotency keys are for.
       */
      const isLate = ({ n, pid, at }: Arrival): boolean =>
        told(entries[n]!.id, pid).sending.some((sending) =>
          hit(pid, ({ from, to }) => sending <= from && to - from > LEASE_MS && to <= at),
        )
      const totals = {
        sends: arrivals.length,
        again: 0,
        unanswered: 0,
        late: 0,
        unexplained: 0,
        'other key': 0,
        'out of order': 0,
        'two at once': 0,
        lost: 0,
      }
      const before = new Map<number, Arrival>()
      const ofKey = new Map<number, Arrival>()
      for (const arrival of arrivals) {
        const { n, at } = arrival
        if (arrival.idempotencyKey !== `key-${n}`) totals['other key']++
        if (isLate(arrival)) totals.late++
        else {
          const last = ofKey.get(n % KEYS)
          if (last !== undefined && last.n > n) totals['out of order']++
          if (last !== undefined && last.endedAt > at) totals['two at once']++
          ofKey.set(n % KEYS, arrival)
        }
        const earlier = before.get(n)
        before.set(n, arrival)
        if (earlier === undefined) continue
        totals.again++
        const { unanswered, done } = told(entries[n]!.id, earlier.pid)
        // on a machine that is slow enough answers are too late: then it may have arrived, and goes again under its key
        if (unanswered.some((when) => when >= earlier.at && when <= at)) {
          totals.unanswered++
          continue
        }
        const settledAt = Math.min(at, ...done.filter((when) => when >= earlier.at))
        if (hit(earlier.pid, ({ from, to }) => from <= settledAt && to >= earlier.at)) continue
        totals.unexplained++
        const history = arrivals.filter((each) => each.n === n)
        console.log(
          `unexplained: ${n}`,
          JSON.stringify(
            history.map((each) => ({
              ...each,
              ...told(entries[n]!.id, each.pid),
              faults: replayers.faultsOf(each.pid),
            })),
          ),
        )
      }
      totals.lost = ENTRIES - before.size
      console.log(
        `in order from ${name}: ${ENTRIES} entries of ${KEYS} keys, ${REPLAYERS} processes, ${Math.round(tookMs / 1000)} s;`,
        JSON.stringify(counts),
        JSON.stringify(totals),
      )
      expect(totals).toMatchObject({
        unexplained: 0,
        'other key': 0,
        'out of order': 0,
        'two at once': 0,
        lost: 0,
      })
      expect((await letters.stats()).total).toBe(0)
      expect(Math.min(counts.killed, counts.stalled)).toBeGreaterThan(3)
    } finally {
      replayers.end()
      await server.store.close()
      await server.close()
      provider.closeAllConnections()
      provider.close()
      await stop()
      rmSync(folder, { recursive: true })
    }
  },
)

import { spawn } from 'node:child_process'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import type { DeadLetterRecord } from '../../../src/dead-letter/record/record.ts'
import { makeRecord } from '../../../src/testing/contracts/records.ts'
import { FaultyReplayers } from '../../support/dead-letters/faulty-replayers.ts'
import { fleetServer } from '../../support/fleet/fleet-server.ts'
import { sharedPlaces } from '../../support/fleet/shared-places.ts'

const ENTRIES = 1_500
const REPLAYERS = 8
const LEASE_MS = 2_000
/** More than a lease, and less than a lease and the time that lapsed entries wait. */
const PROVIDER_GIVES_UP_MS = 2_500
const LAPSE_DELAY_MS = 1_500

/** One request as the provider saw it. */
interface Arrival {
  at: number
  pid: string
  /** What the provider did; all but `accepted`, `refused` and `limited` leave the replayer without an answer. */
  done: 'accepted' | 'accepted, answer lost' | 'lost' | 'silent' | 'refused' | 'limited'
  endedAt: number
}

it.each(sharedPlaces)(
  'sends no entry of %s twice at a time, nor again without a fault',
  async (name, begin) => {
    const [place, stop] = await begin()
    const arrivals = new Map<string, Arrival[]>()
    /** Replayers that have sent something. */
    const atWork = new Set<string>()
    let firstAt = Infinity
    let accepting = true
    const provider = createServer((request, response) => {
      const entry = request.url!.slice(1)
      const arrival: Arrival = {
        at: Date.now(),
        pid: String(request.headers['x-replayer']),
        done: 'accepted',
        endedAt: Infinity,
      }
      const list = arrivals.get(entry)
      if (list) list.push(arrival)
      else arrivals.set(entry, [arrival])
      atWork.add(arrival.pid)
      firstAt = Math.min(firstAt, arrival.at)
      request.resume()
      request.on('error', () => undefined)
      // finished, or its connection is gone
      response.once('close', () => (arrival.endedAt = Date.now()))
      const chance = accepting ? Math.random() : 1
      setTimeout(() => answer(arrival, chance, request.socket, response), 5 + Math.random() * 30)
    })
    function answer(arrival: Arrival, chance: number, socket: Socket, response: ServerResponse): void {
      const as = (done: Arrival['done']): void => void (arrival.done = done)
      if (chance < 0.05) {
        as('silent')
        // longer than a lease: the replayer has to end it in time. A stopped one cannot; then this does, and only after it
        // may another send the entry
        setTimeout(() => socket.destroy(), PROVIDER_GIVES_UP_MS).unref()
      } else if (chance < 0.1) {
        as('lost')
        socket.resetAndDestroy()
      } else if (chance < 0.15) {
        as('accepted, answer lost')
        socket.resetAndDestroy()
      } else if (chance < 0.25) {
        as('refused')
        response.writeHead(500).end()
      } else if (chance < 0.28) {
        as('limited')
        response.writeHead(429).end()
      } else response.end()
    }
    await new Promise<void>((resolve) => provider.listen(0, '127.0.0.1', resolve))
    const origin = `http://127.0.0.1:${(provider.address() as AddressInfo).port}`

    const server = fleetServer(place, {})
    const { store } = server
    const entries = Array.from({ length: ENTRIES }, (_, n): DeadLetterRecord => {
      const record = makeRecord({ timestamp: Date.now() - ENTRIES + n })
      const kind = n % 4
      const request = { ...record.request, method: kind < 2 ? 'PUT' : 'POST', url: `${origin}/${record.id}` }
      return { ...record, request, ...(kind === 2 ? { idempotencyKey: `key-${n}` } : {}) }
    })
    await store.deadLetters.add(entries)

    const replayers = new FaultyReplayers(REPLAYERS, () => {
      const script = new URL('dead-letter-replay-child.ts', import.meta.url).pathname
      const args = [script, JSON.stringify(place), origin, String(LEASE_MS), String(LAPSE_DELAY_MS)]
      return spawn(process.execPath, ['--import', './test/support/register.ts', ...args], {
        stdio: ['ignore', 'ignore', 'inherit'],
      })
    })
    const { counts } = replayers
    const began = Date.now()
    const left = async (): Promise<number> => {
      const { byStatus } = await store.deadLetters.stats()
      return byStatus.pending + byStatus.leased + byStatus.sending
    }
    while ((await left()) > 0 && Date.now() - began < 150_000) {
      await sleep(100 + Math.random() * 150)
      // after a while only peace, so that it comes to an end
      if (Date.now() - firstAt > 40_000) {
        accepting = false
        continue
      }
      replayers.hurtOne(
        (pid) => atWork.has(pid),
        () => 300 + Math.random() * 3_000,
      )
    }
    await replayers.allGoOn()
    await sleep(LEASE_MS)
    replayers.end()

    const totals = {
      sends: 0,
      'sent again': 0,
      'at the same time': 0,
      'without cause': 0,
      unsafe: 0,
      lost: 0,
    }
    const kinds: Record<string, number> = {}
    const final = { done: 0, 'in-doubt': 0, quarantined: 0, other: 0 }
    for (const [n, entry] of entries.entries()) {
      const list = arrivals.get(entry.id) ?? []
      totals.sends += list.length
      for (const { done } of list) kinds[done] = (kinds[done] ?? 0) + 1
      for (const [at, arrival] of list.entries()) {
        const before = list[at - 1]
        if (before === undefined) continue
        totals['sent again']++
        const hit = replayers
          .faultsOf(before.pid)
          .some((fault) => fault.from <= arrival.at && fault.to >= before.at)
        if (before.endedAt > arrival.at) totals['at the same time']++
        if (before.done === 'accepted' && !hit) {
          totals['without cause']++
          const history = list.map((each) => ({ ...each, faults: replayers.faultsOf(each.pid) }))
          console.log(`without cause: ${entry.request.method} ${n}`, JSON.stringify(history))
        }
        // no key, not idempotent: only a clear answer that it failed lets it be sent again
        if (n % 4 === 3 && before.done !== 'refused' && before.done !== 'limited') totals.unsafe++
      }
      const stored = await store.deadLetters.get(entry.id)
      const status = stored?.status
      if (stored === undefined) final.done++
      else if (status === 'in-doubt' || status === 'quarantined') final[status]++
      else final.other++
      if (stored === undefined && !list.some(({ done }) => done.startsWith('accepted'))) totals.lost++
    }
    console.log(
      `replays from ${name}: ${ENTRIES} entries, ${REPLAYERS} processes, ${Math.round((Date.now() - began) / 1000)} s;`,
      JSON.stringify(counts),
      JSON.stringify(totals),
      JSON.stringify(kinds),
      JSON.stringify(final),
    )
    expect(totals).toMatchObject({ 'at the same time': 0, 'without cause': 0, unsafe: 0, lost: 0 })
    expect(final.other).toBe(0)
    expect(final.done + final['in-doubt'] + final.quarantined).toBe(ENTRIES)
    expect(final.done).toBeGreaterThan(ENTRIES / 2)
    expect(Math.min(counts.killed, counts.stalled)).toBeGreaterThan(3)
    await store.close()
    await server.close()
    provider.closeAllConnections()
    provider.close()
    await stop()
  },
  240_000,
)

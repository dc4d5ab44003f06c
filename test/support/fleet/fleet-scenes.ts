import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { FleetPlace } from './fleet-server.ts'
import { type CountingProvider, Fleet, percentile, startCountingProvider } from './fleet.ts'

const PROCESSES = 8
const PROBES = 3
const POLL_MS = 2_000
/** Far from what a trip would take that waits for the next flush of counts (100 ms), or for a poll. */
const PUSHED_MS = 25

interface FleetScenes {
  /** Rounds of the first test. */
  readonly rounds: number
  /** What a trip takes to the others on a machine that is not busy, in milliseconds. */
  readonly goal: { readonly p50: number; readonly p99: number }
  /** What bare messages are sent by. */
  readonly bare: string
  start(): Promise<{ place: FleetPlace; stop(): Promise<void> }>
}

/** What 8 real processes do that share circuits by a store. */
export function fleetScenes(name: string, scenes: FleetScenes): void {
  describe(name, () => {
    const { rounds, goal, bare } = scenes
    let provider: CountingProvider
    let fleet: Fleet
    let stop: () => Promise<void>

    beforeAll(async () => {
      const server = await scenes.start()
      stop = () => server.stop()
      provider = await startCountingProvider()
      fleet = await Fleet.start(PROCESSES, {
        place: server.place,
        provider: provider.origin,
        breaker: {
          failureThreshold: 5,
          failureRate: 0,
          timeoutMs: 300,
          maxTimeoutMs: 300,
          halfOpenMaxAttempts: PROBES,
          // what is refused and what is not is told by the answers: nobody waits
          maxWaitMs: 0,
        },
        store: { pollIntervalMs: POLL_MS },
      })
    })
    afterAll(async () => {
      await fleet.close()
      await provider.close()
      await stop()
    })

    const healthy = () => ({ status: 200, afterMs: 0 })
    const outage = () => ({ status: 503, afterMs: 0 })

    test('an outage that one process sees opens the circuit for all within milliseconds', async () => {
      const delays: number[] = []
      await fleet.all({ type: 'listen' })
      // every case counts: none is left out, and no series is picked
      for (let round = 0; round < rounds; round++) {
        provider.answer = outage
        for (const process of fleet.processes) process.events.length = 0
        const witness = fleet.processes[round % PROCESSES]!
        await witness.ask({ type: 'burst', count: 5 })
        // asking for states keeps the processes busy: not while the message travels
        await sleep(25)
        await fleet.untilAll('open')
        for (const process of fleet.processes) {
          const trip = process.events.find(({ event }) => event.to === 'open')
          if (trip === undefined) throw new Error('a process was not told')
          expect(trip.event.here).toBe(process === witness)
          // the epoch is the server's time in the step that made the transition
          if (process !== witness) delays.push((trip.at - trip.event.epoch) / 1_000)
        }
        provider.answer = healthy
        await witness.ask({ type: 'reset' })
        await fleet.untilAll('closed')
        await witness.ask({ type: 'publish' })
        await sleep(25)
      }
      const bareMessages = () => fleet.processes.flatMap((process) => process.messages)
      await expect.poll(() => bareMessages().length, { timeout: 10_000 }).toBe(rounds * PROCESSES)
      const messages = bareMessages()
      const [p50, p99] = [percentile(delays, 0.5), percentile(delays, 0.99)]
      const [bare50, bare99] = [percentile(messages, 0.5), percentile(messages, 0.99)]
      const met = p50 <= goal.p50 && p99 <= goal.p99 ? 'met' : 'MISSED'
      console.log(
        `${name}: trip to refusal in ${delays.length} cases: p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms, ` +
          `most ${Math.max(...delays).toFixed(2)} ms; goal p50 <= ${goal.p50}, p99 <= ${goal.p99} ${met}; ` +
          `bare ${bare} in the same rounds: p50 ${bare50.toFixed(2)}, p99 ${bare99.toFixed(2)}`,
      )
      // The goals are those of a quiet machine. What must hold on any: a trip is told at once, in proportion to a bare message,
      // and none is left to a poll.
      expect(p50).toBeLessThanOrEqual(Math.max(PUSHED_MS, bare50 * 5))
      expect(p99).toBeLessThanOrEqual(Math.max(POLL_MS / 2, bare99 * 5))
    })

    test('half-open, the provider never has more than the allowed probes in hand from all processes together', async () => {
      await fleet.all({ type: 'calls', everyMs: 5 })
      const reported = await fleet.reports()
      let probes = 0
      let rounds = 0
      for (let cycle = 0; cycle < 5; cycle++) {
        provider.answer = outage
        await fleet.untilAll('open')
        // what was sent before it opened, and is still on its way, is no probe
        await fleet.all({ type: 'settled' })
        expect(provider.inHand).toBe(0)
        const before = provider.requests
        let successes = 0
        let measuring = true
        let failedRounds = 3
        let most = 0
        provider.answer = () => {
          if (measuring) {
            probes += 1
            most = Math.max(most, provider.inHand)
          }
          // the first rounds fail after a while; then probes succeed slowly
          if (failedRounds > 0) {
            failedRounds -= 1
            return { status: 503, afterMs: 40 }
          }
          successes += 1
          // from the last success on the circuit may close, and everything comes at once
          if (successes >= PROBES) measuring = false
          return { status: 200, afterMs: 60 }
        }
        await fleet.untilAll('closed')
        rounds += 1
        expect(most, `cycle ${cycle}: ${provider.requests - before} requests`).toBeLessThanOrEqual(PROBES)
        expect(most).toBeGreaterThan(0)
      }
      await fleet.all({ type: 'calls', everyMs: 0 })
      const refused = (await fleet.reports()).map(({ refused }, at) => refused - reported[at]!.refused)
      console.log(`${rounds} outages: ${probes} probes, ${refused.reduce((a, b) => a + b)} refusals`)
      for (const report of await fleet.reports()) expect(report.unexpected).toEqual([])
    })

    test('after a recovery all processes are closed within one poll, also those that hear no messages', async () => {
      const deaf = fleet.processes.slice(0, 3)
      for (const process of deaf) await process.ask({ type: 'deaf' })
      provider.answer = outage
      await fleet.all({ type: 'calls', everyMs: 20 })
      await fleet.untilAll('open')
      provider.answer = healthy
      for (const process of fleet.processes) process.events.length = 0
      await fleet.untilAll('closed')
      await fleet.all({ type: 'calls', everyMs: 0 })
      const closings = fleet.processes.map(({ events }) => {
        const closing = events.findLast(({ event }) => event.to === 'closed')
        return closing === undefined ? NaN : (closing.at - closing.event.epoch) / 1_000
      })
      console.log(
        `recovery to closed: ${closings.map((ms) => ms.toFixed(1)).join(', ')} ms; the first three hear no messages`,
      )
      // a process that stands still for a moment hears as much later, and is no poll late
      for (const ms of closings) expect(ms).toBeLessThanOrEqual(POLL_MS * 1.5)
      for (const ms of closings.slice(deaf.length)) expect(ms).toBeLessThan(POLL_MS / 2)
    })
  })
}

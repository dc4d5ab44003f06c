import { afterEach, describe, expect, it } from 'vitest'
import { resolveOptions } from '../../../../src/checks.ts'
import { localDeadLetters } from '../../../../src/dead-letter/local/local-dead-letters.ts'
import type { DeadLetterRecord } from '../../../../src/dead-letter/record/record.ts'
import { ReplayOrigins } from '../../../../src/dead-letter/replay/origins.ts'
import { replayPlan } from '../../../../src/dead-letter/replay/plan.ts'
import {
  replayerChecks,
  type ReplayerOptions,
  RunningReplayer,
} from '../../../../src/dead-letter/replay/replayer.ts'
import type { DeadLetterStore } from '../../../../src/dead-letter/store/store.ts'
import { makeRecord } from '../../../../src/testing/contracts/records.ts'
import {
  type PlayedAnswer,
  playedProvider,
  type PlayedRequest,
} from '../../../support/calls/played-provider.ts'
import { settled, VirtualClock } from '../../../support/simulation/virtual-clock.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const A = 'https://a.example'
const B = 'https://b.example'

interface Play {
  readonly clock: VirtualClock
  readonly store: DeadLetterStore
  readonly requests: PlayedRequest[]
  readonly replayer: RunningReplayer
  /** Lets time pass, and after each step all that it brings about. */
  readonly pass: (ms: number) => Promise<void>
}

const plays: Play[] = []
afterEach(async () => {
  for (const { replayer } of plays.splice(0)) await replayer.close()
})

/** A replayer in a time that passes as the test says, the store's included. */
function play(
  answerTo: (request: Omit<PlayedRequest, 'answer'>) => PlayedAnswer,
  options: Partial<ReplayerOptions> = {},
): Play {
  const start = 1_800_000_000_000
  const clock = new VirtualClock(start)
  const store = localDeadLetters({ maxRecords: 10_000, now: () => Math.round(clock.now()) })
  const { dispatcher, requests } = playedProvider(clock, answerTo)
  const { intervalMs, ...checked } = resolveOptions('startReplayer', replayerChecks, {
    allowedOrigins: [A, B],
    dispatcher,
    ...options,
  })
  const replayer = new RunningReplayer(
    store,
    replayPlan(checked, undefined),
    intervalMs,
    clock,
    new ReplayOrigins(clock),
  )
  const pass = async (ms: number): Promise<void> => {
    let answered = -1
    for (const end = clock.now() + ms; clock.now() < end;) {
      // what a response brings about takes a few turns of the event loop
      const turns = requests.length > answered ? 5 : 1
      answered = requests.length
      for (let turn = 0; turn < turns; turn++) await settled()
      await clock.advance(Math.min(end - clock.now(), SECOND))
    }
  }
  const made = { clock, store, requests, replayer, pass }
  plays.push(made)
  return made
}

function letters(count: number, origin: string, now: number): DeadLetterRecord[] {
  return Array.from({ length: count }, (_, n) =>
    makeRecord({ timestamp: Math.round(now) - 1, request: { url: `${origin}/orders/${n}` } }),
  )
}

describe('ten outages of two hours', () => {
  it.each<[number, PlayedAnswer]>([
    [3, 'unreachable'],
    [20, { statusCode: 503 }],
    [20, 'reset'],
    [1000, { statusCode: 500 }],
  ])(
    'use up no replays of %i entries, all of which arrive afterwards (%j)',
    { timeout: 300_000 },
    async (count, failure) => {
      let down = false
      const { clock, store, requests, pass } = play(() => (down ? failure : { statusCode: 200 }))
      const seen: number[] = []
      const delays: number[] = []
      for (let outage = 0; outage < 10; outage++) {
        down = true
        const before = requests.length
        await store.add(letters(count, A, clock.now()))
        await pass(2 * HOUR)
        seen.push(requests.length - before)
        expect((await store.stats()).byStatus).toMatchObject({
          pending: count,
          quarantined: 0,
          'in-doubt': 0,
        })
        down = false
        const over = clock.now()
        await pass(10 * MINUTE)
        expect((await store.stats()).total).toBe(0)
        delays.push(requests.at(-1)!.at - over)
      }
      const taken = requests.filter(({ answer }) => typeof answer === 'object' && answer.statusCode === 200)
      expect(taken).toHaveLength(10 * count)
      console.log(
        `${count} entries, ${JSON.stringify(failure)}: the dead provider saw ${Math.min(...seen)} to ${Math.max(...seen)} requests ` +
          `per outage of 2 h; all had arrived ${Math.round(Math.max(...delays) / SECOND)} s after it at the latest`,
      )
      expect(Math.max(...seen)).toBeLessThan(40)
    },
  )

  it(
    'cost a replay only an entry that fails alone, while its origin answers others',
    { timeout: 180_000 },
    async () => {
      const { clock, store, pass } = play(({ path }) => ({ statusCode: path === '/orders/0' ? 500 : 200 }))
      const [poison] = letters(1, A, clock.now())
      await store.add([poison!])
      for (let hour = 0; hour < 24; hour++) {
        // others come and are taken: the origin is up
        await store.add(letters(3, A, clock.now()).slice(1))
        await pass(HOUR)
      }
      expect((await store.get(poison!.id))!).toMatchObject({
        status: 'quarantined',
        note: '5 replays used up',
      })
      expect((await store.stats()).total).toBe(1)
    },
  )
})

describe('credentials that have expired', () => {
  it(
    'burn no queue: one request finds out, and all arrive once they are renewed',
    { timeout: 180_000 },
    async () => {
      let expired = true
      const { clock, store, requests, replayer, pass } = play(() => ({ statusCode: expired ? 401 : 200 }), {
        concurrency: 1,
      })
      await store.add(letters(50, A, clock.now()))
      await pass(2 * MINUTE)
      expect(replayer.lastRun).toMatchObject({
        quarantined: 0,
        failed: 0,
        leftAlone: [{ origin: A, reason: 'credentials' }],
      })
      expect(requests.length).toBeLessThan(5)
      await pass(4 * HOUR)
      expect(requests.length).toBeLessThan(70)
      expect((await store.stats()).byStatus).toMatchObject({ pending: 50, quarantined: 0 })
      expired = false
      await pass(10 * MINUTE)
      expect((await store.stats()).total).toBe(0)
    },
  )
})

describe('a provider that asks for 60 s', () => {
  it('is asked at 60 s and not before; the entries of another leave at their own rate', async () => {
    let limited = true
    const { clock, store, requests, pass } = play(
      ({ origin }) =>
        origin === A && limited ? { statusCode: 429, headers: { 'retry-after': '60' } } : { statusCode: 200 },
      { ratePerSecond: 2, concurrency: 1 },
    )
    await store.add([...letters(20, A, clock.now()), ...letters(20, B, clock.now())])
    const began = clock.now()
    await pass(45 * SECOND)
    const [first, ...more] = requests.filter(({ origin }) => origin === A)
    expect(more).toEqual([])
    const others = requests.filter(({ origin }) => origin === B)
    expect(others).toHaveLength(20)
    const gaps = others.slice(1).map(({ at }, n) => at - others[n]!.at)
    expect(gaps.every((gap) => gap === 500)).toBe(true)
    // those of the first are given back to every process, due exactly then
    const { items } = await store.list({ origin: A })
    expect(items).toHaveLength(20)
    for (const { dueAt } of items) {
      expect(dueAt - first!.at).toBeGreaterThanOrEqual(60_000)
      expect(dueAt - first!.at).toBeLessThan(60_010)
    }
    // what is captured meanwhile is due, and waits as well
    await store.add(letters(5, A, clock.now()))
    limited = false
    await pass(2 * MINUTE)
    const again = requests.filter(({ origin }) => origin === A)[1]!
    console.log(
      `asked at ${(first!.at - began) / SECOND} s, again ${(again.at - first!.at) / SECOND} s later; ` +
        `the other's 20 entries left within ${(others.at(-1)!.at - others[0]!.at) / SECOND} s, one each 0.5 s`,
    )
    expect(again.at - first!.at).toBeGreaterThanOrEqual(60_000)
    expect(again.at - first!.at).toBeLessThan(61_000)
    expect((await store.stats()).total).toBe(0)
  })

  it('is believed also where it is down, as long as another answer has come between', async () => {
    const { clock, store, requests, pass } = play(() => ({
      statusCode: 503,
      headers: { 'retry-after': '600' },
    }))
    await store.add(letters(10, A, clock.now()))
    await pass(30 * MINUTE)
    const times = requests.map(({ at }) => at)
    expect(times.length).toBeGreaterThan(1)
    const rounds = times.filter((at, n) => n === 0 || at - times[n - 1]! > SECOND)
    for (let n = 1; n < rounds.length; n++) {
      expect(rounds[n]! - rounds[n - 1]!).toBeGreaterThanOrEqual(600_000)
    }
    expect((await store.stats()).byStatus).toMatchObject({ pending: 10, quarantined: 0 })
  })
})

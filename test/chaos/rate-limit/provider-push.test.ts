import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { FakeProvider } from '../../support/providers/fakes/fake-provider.ts'
import { DocumentedLimits, overIn } from '../../support/providers/push/documented-limits.ts'
import { type Push, type Pushed, pushes } from '../../support/providers/push/pushes.ts'
import { type RunningRedis, startRedis } from '../../support/servers/redis-server.ts'

interface Report {
  sent: number
  found: number
  held: number
  failed: number
  error: string
  /** When each request left, by the clock that `process.hrtime` reads. */
  departures: number[]
}

let server: RunningRedis
const table: Record<string, unknown>[] = []
beforeAll(async () => {
  server = await startRedis()
})
afterAll(async () => {
  await server.stop()
  console.table(table)
})

/** A process that waits to be told to begin. */
async function processWith(
  provider: Pushed,
  fake: FakeProvider,
  jobs: number[],
  resumes = false,
): Promise<ChildProcess> {
  const order = { port: server.port, provider, baseUrl: fake.baseUrl, jobs, resumes }
  const child = fork(
    fileURLToPath(new URL('../../support/providers/push/push-child.ts', import.meta.url)),
    [JSON.stringify(order)],
    {
      execArgv: [
        '--import',
        new URL('../../support/register.ts', import.meta.url).href,
        // Redis does not go away here
        '--disable-warning=ResilienceWarning',
      ],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    },
  )
  await once(child, 'message')
  return child
}

async function run(child: ChildProcess): Promise<Report> {
  const report = once(child, 'message')
  child.send('begin')
  return (await report)[0] as Report
}

async function fakeOf(push: Push): Promise<FakeProvider> {
  const fake = await push.fake().start()
  fake.limits = new DocumentedLimits(push.limits)
  fake.latencyMs = 20
  return fake
}

const numbers = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, index) => from + index)

/** How long a request was on its way at the most: those that left and those that came, in their order. */
function latest(fake: FakeProvider, reports: readonly Report[]): number {
  // the clock of `at` begins with this process
  const offset = Number(process.hrtime.bigint()) / 1e6 - performance.now()
  const left = reports.flatMap(({ departures }) => departures).sort((a, b) => a - b)
  const came = fake.requests.map(({ at }) => at + offset).sort((a, b) => a - b)
  return Math.max(...came.map((at, index) => at - left[index]!))
}

function expectEachOnce(fake: FakeProvider, jobs: number): void {
  expect(fake.created.size).toBe(jobs)
  expect(fake.duplicates).toBe(0)
}

describe('two processes that push all at once', () => {
  it.each(Object.keys(pushes) as Pushed[])(
    '%s: within the limits, nothing twice, nothing lost',
    async (name) => {
      const push: Push = pushes[name]
      const fake = await fakeOf(push)
      const half = push.jobs / 2
      const children = await Promise.all([
        processWith(name, fake, numbers(0, half)),
        processWith(name, fake, numbers(half, push.jobs)),
      ])
      try {
        const from = performance.now()
        const reports = await Promise.all(children.map(run))
        const ms = Math.round(performance.now() - from)
        const late = latest(fake, reports)
        table.push({
          push: push.title,
          '429s': fake.limitsSent,
          locks: fake.limits?.locks,
          duplicates: fake.duplicates,
          lost: push.jobs - fake.created.size,
          s: ms / 1000,
          'least s': push.leastMs / 1000,
          'ms on the way': Math.round(late),
        })
        expect(reports.map(({ error }) => error)).toEqual(['', ''])
        expect(reports.reduce((sum, { sent }) => sum + sent, 0)).toBe(push.jobs)
        expectEachOnce(fake, push.jobs)
        if (!push.isKept) return
        const { windows = [], lock } = push.limits
        const left = reports.flatMap(({ departures }) => departures)
        for (const window of lock === undefined ? windows : [...windows, lock]) {
          expect(overIn(window, left)).toBe(0)
        }
        // the provider counts what comes: what a machine that could do nothing for a while brings later than it left comes
        // too close to what follows, and no client can know
        if (windows.length > 0 && late > push.marginMs) return
        expect(fake.limitsSent).toBe(0)
        expect(fake.limits?.locks).toBe(0)
      } finally {
        for (const child of children) child.kill('SIGKILL')
        await fake.close()
      }
    },
  )
})

describe('two processes of which one is killed half way, and a third goes on', () => {
  const resumed = ['hubspot', 'cal-com', 'mailchimp-transactional'] as const
  it.each(resumed)('%s: nothing twice, nothing lost', async (name) => {
    const push: Push = pushes[name]
    const jobs = 80
    const fake = await fakeOf(push)
    const redis = new Redis(server.port, '127.0.0.1')
    await redis.del(`begun:${name}`, `done:${name}`)
    const children = await Promise.all([
      processWith(name, fake, numbers(0, jobs / 2)),
      processWith(name, fake, numbers(jobs / 2, jobs)),
    ])
    try {
      const [killed, other] = children as [ChildProcess, ChildProcess]
      killed.send('begin')
      const otherRun = run(other)
      // in the middle of its jobs, some of them on the way
      while (fake.requests.length < jobs / 4) await sleep(2)
      killed.kill('SIGKILL')
      await once(killed, 'exit')
      await otherRun
      // what was on the way arrives or does not: only then can it be asked for
      await sleep(1_000)
      const arrived = fake.created.size
      const done = await redis.scard(`done:${name}`)
      const third = await processWith(name, fake, numbers(0, jobs / 2), true)
      children.push(third)
      const report = await run(third)
      table.push({
        push: `${name}: ${jobs}, one of two killed`,
        '429s': fake.limitsSent,
        locks: fake.limits?.locks,
        duplicates: fake.duplicates,
        lost: jobs - fake.created.size,
        'arrived before': arrived,
        'known done before': done,
        'found by asking': report.found,
        'sent by the third': report.sent,
      })
      expect(report).toMatchObject({ failed: 0, held: 0, error: '' })
      expectEachOnce(fake, jobs)
    } finally {
      for (const child of children) child.kill('SIGKILL')
      redis.disconnect()
      await fake.close()
    }
  })
})

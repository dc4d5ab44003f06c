import { Agent, type Dispatcher, interceptors } from 'undici'
import { resilience } from '../../src/index.ts'
import { restart } from '../../test/support/processes/restart.ts'
import { type ClientName, clients } from './client.ts'
import { formerStack } from './former-stack.ts'
import {
  down,
  failing,
  limited,
  lost,
  median,
  play,
  rolling,
  type Scene,
  served,
  within,
  worst,
} from './scene.ts'

// Seven situations, each with the defaults, the former ones and undici's own retry: see ../README.md.
//   npm run bench:situations                about a minute
//   npm run bench:situations -- --quick     fewer runs of each

const quick = process.argv.includes('--quick')
const started = performance.now()
const seeds = (count: number): number[] =>
  Array.from({ length: quick ? Math.max(1, Math.ceil(count / 4)) : count }, (_one, at) => at + 1)

/** A row of the table: what each client comes to. */
async function row(what: string, of: (client: ClientName) => string | Promise<string>): Promise<void> {
  const cells: string[] = []
  for (const client of clients) cells.push(await of(client))
  console.log(`| ${what.padEnd(74)} | ${cells.map((cell) => cell.padEnd(17)).join(' | ')} |`)
}

function chapter(title: string): void {
  console.log(`\n${title}\n`)
  console.log(`| ${''.padEnd(74)} | ${clients.map((client) => client.padEnd(17)).join(' | ')} |`)
  console.log(`| ${'-'.repeat(74)} | ${clients.map(() => '-'.repeat(17)).join(' | ')} |`)
}

const percent = (share: number): string => `${(share * 100).toFixed(share > 0.98 || share < 0.1 ? 2 : 0)} %`
const seconds = (ms: number): string => (Number.isFinite(ms) ? (ms / 1_000).toFixed(1) : '-')
const each = <T>(count: number, one: (seed: number) => T): T[] => seeds(count).map(one)
const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length

/** When the circuit first opened, in milliseconds; `NaN` if never. */
function openedAt(client: ClientName, seed: number, perSecond: number, share: number, healthyMs = 0): number {
  let at = NaN
  const broken = failing(share)
  play({
    client,
    seed,
    perSecond,
    forMs: 600_000 + healthyMs,
    provider: (scene) => {
      const [good, bad] = [failing(0)(scene), broken(scene)]
      return (done) => (scene.clock.now() < healthyMs ? good : bad)(done)
    },
    until: ({ client: { opened }, clock }) => {
      if (opened > 0) at = clock.now() - healthyMs
      return opened > 0
    },
  })
  return at
}

chapter(
  'S1: ten calls under way when the server restarts, over real sockets: served of 10 (median / last, s)',
)
for (const before of [0, 10]) {
  for (const downMs of [0, 300, 1_000, 3_000]) {
    await row(`${before} calls before, the successor is there after ${downMs} ms`, async (client) => {
      const agent = new Agent()
      const stack = resilience()
      const dispatchers: Record<ClientName, Dispatcher> = {
        defaults: agent.compose(stack),
        former: formerStack(agent),
        'undici retry': agent.compose(interceptors.retry()),
      }
      const { servedMs } = await restart(dispatchers[client], { before, downMs, inFlight: 10 })
      await stack.close()
      await agent.destroy()
      return `${servedMs.length} (${seconds(median(servedMs))} / ${seconds(servedMs.at(-1) ?? NaN)})`
    })
  }
}

chapter('S2: three pods, restarted one after the other, half a second each')
for (const [callers, perSecond] of [
  [20, 1],
  [200, 10],
] as const) {
  await row(`${callers} processes at ${perSecond}/s: calls lost of all`, (client) => {
    const all = each(quick ? callers : callers / 2, (seed) =>
      play({ client, seed, perSecond, forMs: 60_000, provider: rolling(40_000, 2_000) }),
    )
    const ended = all.flatMap((scene) => within(scene, 0, 60_000))
    return `${lost(ended)} of ${ended.length}`
  })
}

chapter('S3: a provider that fails a share of the attempts')
for (const perSecond of [1, 10, 100]) {
  await row(`40 % at ${perSecond}/s: opened within 10 min, of the starts`, (client) => {
    const opened = each(perSecond === 100 ? 8 : 40, (seed) => openedAt(client, seed, perSecond, 0.4))
    return client === 'undici retry' ? '-' : percent(1 - opened.filter(Number.isNaN).length / opened.length)
  })
}
for (const perSecond of [1, 10, 100]) {
  await row(`60 % at ${perSecond}/s: opened within 10 min, of the starts`, (client) => {
    const opened = each(perSecond === 100 ? 8 : 40, (seed) => openedAt(client, seed, perSecond, 0.6))
    return client === 'undici retry' ? '-' : percent(1 - opened.filter(Number.isNaN).length / opened.length)
  })
}
for (const perSecond of [1, 10, 100]) {
  await row(`100 % at ${perSecond}/s, cold / after 60 s of health: s until it opens`, (client) => {
    if (client === 'undici retry') return '-'
    const after = [0, 60_000].map((healthyMs) =>
      median(each(12, (seed) => openedAt(client, seed, perSecond, 1, healthyMs))),
    )
    return after.map(seconds).join(' / ')
  })
}

const MINUTE = 60_000
const outage = { from: MINUTE, to: 6 * MINUTE }
chapter('S4: an outage of 5 minutes after one of health')
for (const [how, perSecond] of [
  ['503', 1],
  ['refused', 100],
  ['503', 100],
  ['hang', 100],
] as const) {
  const scenes = new Map<ClientName, Scene[]>()
  const of = (client: ClientName): Scene[] => {
    const known = scenes.get(client)
    if (known !== undefined) return known
    const made = each(perSecond === 100 ? 2 : 8, (seed) =>
      play({ client, seed, perSecond, forMs: 12 * MINUTE, provider: down(outage.from, outage.to, how) }),
    )
    scenes.set(client, made)
    return made
  }
  const during = (scene: Scene): number[] =>
    scene.client.attempts.filter((at) => at >= outage.from && at < outage.to)
  await row(`${how} at ${perSecond}/s: attempts/s, mean / worst 10 s / after 30 s`, (client) => {
    const all = of(client).map(during)
    const late = all.map((times) => times.filter((at) => at >= outage.from + 30_000).length / 270)
    return `${mean(all.map(({ length }) => length / 300)).toFixed(1)} / ${mean(all.map((times) => worst(times, 10_000))).toFixed(0)} / ${mean(late).toFixed(2)}`
  })
  await row(`${how} at ${perSecond}/s: s after its return until calls succeed`, (client) => {
    const first = of(client).map(({ client: { ended } }) => {
      const one = ended.find(({ ok, startedAt, ms }) => ok && startedAt + ms > outage.to + 20)
      return one === undefined ? NaN : one.startedAt + one.ms - outage.to
    })
    return seconds(median(first))
  })
  await row(`${how} at ${perSecond}/s: calls that begin after its return and fail`, (client) =>
    mean(of(client).map((scene) => lost(within(scene, outage.to, 12 * MINUTE)))).toFixed(0),
  )
  await row(`${how} at ${perSecond}/s: s that a failing call is held, mean / most`, (client) => {
    const held = of(client).flatMap((scene) =>
      within(scene, outage.from, outage.to)
        .filter(({ ok }) => !ok)
        .map(({ ms }) => ms),
    )
    const most = held.reduce((one, other) => Math.max(one, other), 0)
    return `${(mean(held) / 1_000).toFixed(2)} / ${seconds(most)}`
  })
}

chapter('S5: brown-outs of 10 minutes: calls served')
for (const [share, perSecond] of [
  [0.3, 100],
  [0.4, 1],
  [0.6, 1],
  [0.6, 100],
  [0.75, 100],
] as const) {
  await row(`${share * 100} % fail at ${perSecond}/s`, (client) =>
    percent(
      mean(
        each(perSecond === 1 ? 12 : 1, (seed) =>
          served(
            within(
              play({ client, seed, perSecond, forMs: 10 * MINUTE, provider: failing(share) }),
              0,
              10 * MINUTE,
            ),
          ),
        ),
      ),
    ),
  )
}

chapter(
  'S6: blips at 100/s after 40 s of health: calls served that begin in it; calls lost that begin after it',
)
for (const blipMs of [1_000, 3_000, 10_000]) {
  await row(`503 for ${blipMs / 1_000} s`, (client) => {
    const all = each(4, (seed) =>
      play({
        client,
        seed,
        perSecond: 100,
        forMs: 120_000,
        provider: down(40_000, 40_000 + blipMs, '503'),
      }),
    )
    const inIt = mean(all.map((scene) => served(within(scene, 40_000, 40_000 + blipMs))))
    return `${percent(inIt)}; ${mean(all.map((scene) => lost(within(scene, 40_000 + blipMs, 120_000)))).toFixed(0)}`
  })
}

chapter('S7: what comes back at once, at 100/s')
for (const outageMs of [10_000, 30_000, 300_000]) {
  const end = 40_000 + outageMs
  await row(
    `refused for ${outageMs / 1_000} s: most attempts in a second after it, of the usual rate`,
    (client) => {
      const peaks = each(2, (seed) => {
        const { client: one } = play({
          client,
          seed,
          perSecond: 100,
          forMs: end + 120_000,
          provider: down(40_000, end, 'refused'),
        })
        return worst(
          one.attempts.filter((at) => at >= end),
          1_000,
        )
      })
      return (mean(peaks) / 100).toFixed(2)
    },
  )
  await row(`the same, by a provider of 1.5 times that: calls lost in the 2 min after it`, (client) => {
    const all = each(2, (seed) =>
      play({ client, seed, perSecond: 100, forMs: end + 120_000, provider: limited(150, 40_000, end) }),
    )
    return mean(all.map((scene) => lost(within(scene, end, end + 120_000)))).toFixed(0)
  })
}

console.log(`\n${((performance.now() - started) / 1_000).toFixed(0)} s`)

import { expect, test } from 'vitest'
import {
  simulate,
  type SimulationReport,
  simulationPolicy,
} from '../../support/simulation/circuit-simulation.ts'

/** The same each time: what fails here fails again. `CIRCUIT_SEED=123456` for a look at others. */
const first = Number(process.env['CIRCUIT_SEED'] ?? 1)
const seeds = Array.from({ length: 10 }, (_one, at) => first + at)

/** A poll, a command that was lost just before and its timeout, and the retry after it. */
const HEALED_MS = 1_000 + 250 + 250 + 100

function show(name: string, { events, ...numbers }: SimulationReport): void {
  console.log(name, JSON.stringify(numbers), JSON.stringify(events))
}

/** Over all seeds: a simulation in which nothing happens proves nothing. */
const happened: Record<string, number> = {}

test.each(seeds)('10^5 steps with faults keep every invariant (seed %i)', async (seed) => {
  const options = { seed, steps: 100_000, processes: 12, policy: simulationPolicy, loss: 0.15, faults: true }
  const report = await simulate(options)
  show(`faults, seed ${seed}:`, report)
  for (const [event, times] of Object.entries(report.events)) happened[event] = (happened[event] ?? 0) + times
  expect(report.healedInMs).toBeLessThanOrEqual(HEALED_MS)
})

test.each(seeds)('10^5 steps with a quorum of three keep every invariant (seed %i)', async (seed) => {
  const policy = { ...simulationPolicy, quorum: 3 }
  const report = await simulate({ seed, steps: 100_000, processes: 12, policy, loss: 0.15, faults: true })
  show(`quorum, seed ${seed}:`, report)
  expect(report.healedInMs).toBeLessThanOrEqual(HEALED_MS)
})

test.each(seeds)(
  'on a perfect network no round ever has too many probes in flight (seed %i)',
  async (seed) => {
    const options = { seed, steps: 100_000, processes: 12, policy: simulationPolicy, loss: 0, faults: false }
    const report = await simulate(options)
    show(`calm, seed ${seed}:`, report)
    expect(report.degradedAdmissions).toBe(0)
    expect(report.events['server half-open -> closed']).toBeGreaterThan(0)
  },
)

test('every kind of trouble has happened', () => {
  const troubles = ['wiped', 'rolled back', 'refusing', 'frozen', 'crashed', 'operator']
  const lost = ['push lost', 'request lost', 'reply lost']
  for (const event of [...troubles, ...lost, 'server half-open -> closed', 'server half-open -> open']) {
    expect(happened[event], event).toBeGreaterThan(0)
  }
})

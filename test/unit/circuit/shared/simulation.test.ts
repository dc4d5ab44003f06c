import { expect, test } from 'vitest'
import { simulate, simulationPolicy } from '../../../support/simulation/circuit-simulation.ts'

test('twelve processes on a perfect network never have more probes in flight than allowed', async () => {
  const report = await simulate({
    seed: 1,
    steps: 6_000,
    processes: 12,
    policy: simulationPolicy,
    loss: 0,
    faults: false,
  })
  expect(report.probesGranted).toBeGreaterThan(5)
  expect(report.refused).toBeGreaterThan(100)
  expect(report.degradedAdmissions).toBe(0)
})

test('twelve processes keep every invariant through lost messages, crashes, outages, wipes and rollbacks', async () => {
  const report = await simulate({
    seed: 2,
    steps: 12_000,
    processes: 12,
    policy: simulationPolicy,
    loss: 0.15,
    faults: true,
  })
  expect(report.transitions).toBeGreaterThan(10)
})

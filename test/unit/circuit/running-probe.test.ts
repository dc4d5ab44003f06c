import { expect, test } from 'vitest'
import { localCircuits } from '../../../src/circuit/local-circuits.ts'
import { type CircuitBreakerOptions, resolveCircuitBreakerOptions } from '../../../src/circuit/options.ts'
import { RunningProbe } from '../../../src/circuit/running-probe.ts'
import type { RequestTimeoutError } from '../../../src/errors.ts'
import { VirtualClock } from '../../support/simulation/virtual-clock.ts'

const KEY = 'https://api.test'
const LEASE_MS = 10_000

/** A circuit whose one probe has been granted and runs. */
async function probing(options: CircuitBreakerOptions = {}) {
  const clock = new VirtualClock(1_000)
  const circuits = localCircuits(10, clock)
  const { policy } = resolveCircuitBreakerOptions({
    failureThreshold: 1,
    timeoutMs: 100,
    halfOpenMaxAttempts: 1,
    ...options,
  })
  const circuit = circuits.circuit(KEY, policy)
  circuit.failed(circuit.generation, 1, 0)
  await clock.advance(100)
  const admission = await circuit.admit(clock.now())
  if (admission.kind !== 'probe') throw new Error('no probe was granted')
  const timeouts: RequestTimeoutError[] = []
  const probe = new RunningProbe(circuit, admission, {
    errorContext: () => ({ integration: 'crm', attempts: 2 }),
    onTimeout: (error) => void timeouts.push(error),
  })
  const ask = async () => (await circuit.admit(clock.now())).kind
  return { clock, probe, timeouts, ask, state: () => circuits.state(KEY).state }
}

test('keeps its slot for as long as it runs, however long that is', async () => {
  const { clock, probe, ask, state } = await probing()
  for (let leases = 0; leases < 20; leases++) {
    await clock.advance(LEASE_MS)
    expect(await ask()).toBe('refused')
  }
  probe.end('ok', false)
  expect(state()).toBe('closed')
})

test('fails after `probeTimeoutMs`, with the facts of its call', async () => {
  const { clock, probe, timeouts, state } = await probing({ probeTimeoutMs: 25_000 })
  await clock.advance(24_999)
  expect([state(), timeouts]).toEqual(['half-open', []])
  await clock.advance(1)
  expect(state()).toBe('open')
  expect(timeouts).toMatchObject([
    {
      message: `crm: the probe of the circuit ${KEY} timed out`,
      scope: 'attempt',
      timeoutMs: 25_000,
      integration: 'crm',
      attempts: 2,
    },
  ])
  expect(clock.pending).toBe(0)
  probe.end('ok', false)
  expect(state()).toBe('open')
})

test('a success that was slow has failed', async () => {
  const { probe, state } = await probing()
  probe.end('ok', true)
  expect(state()).toBe('open')
})

test('a void end gives the slot back at once, and no timer is left', async () => {
  const { clock, probe, ask } = await probing()
  probe.end('void', true)
  expect(clock.pending).toBe(0)
  expect(await ask()).toBe('probe')
})

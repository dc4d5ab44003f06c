import { type Scheduler, systemScheduler } from '../time/clock.ts'
import type { ControlAction } from './machine/machine.ts'
import { CircuitRegistry } from './registry.ts'
import type { CircuitStore } from './store.ts'

/** Circuits of this process alone: everything happens synchronously, nothing outlives the process, no timers. */
export function localCircuits(maxCircuits: number, clock: Scheduler = systemScheduler): CircuitStore {
  const registry = new CircuitRegistry({ maxCircuits, clock })
  const control = (key: string, action: ControlAction): Promise<void> =>
    new Promise((resolve) => {
      const circuit = registry.anyCircuit(key)
      circuit.control(action)
      if (action === 'reset') for (const one of circuit.beneath) one.control(action)
      resolve()
    })
  return {
    circuit: (key, policy, log) => registry.circuit(key, policy, log),
    state: (key) => registry.state(key),
    list: () => registry.list(),
    isolate: (key) => control(key, 'isolate'),
    forceClose: (key) => control(key, 'force-close'),
    reset: (key) => control(key, 'reset'),
    onChange: (listener) => registry.onChange(listener),
    flush: () => Promise.resolve(),
    close: () => Promise.resolve(),
  }
}

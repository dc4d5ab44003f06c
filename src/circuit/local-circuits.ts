import type { ControlAction } from './machine.ts'
import { CircuitRegistry } from './registry.ts'
import type { CircuitStore } from './store.ts'

/** Circuits of this process alone: everything happens synchronously, nothing outlives the process, no timers. */
export function localCircuits(maxCircuits: number): CircuitStore {
  const registry = new CircuitRegistry({ maxCircuits })
  const control = (key: string, action: ControlAction): Promise<void> => {
    registry.anyCircuit(key).control(action)
    return Promise.resolve()
  }
  return {
    circuit: (key, policy) => registry.circuit(key, policy),
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

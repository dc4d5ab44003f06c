import { type Checks, integer, resolveOptions, withDefault } from '../../checks.ts'
import { localCircuits } from '../../circuit/local-circuits.ts'
import { DEFAULT_MAX_CIRCUITS } from '../../circuit/registry.ts'
import type { CircuitStore } from '../../circuit/store.ts'
import type { Filled } from '../../options.ts'

export interface MemoryCircuitsOptions {
  /** Circuits kept; the least recently used goes, a closed one first. Default 1,000. */
  maxCircuits?: number | undefined
}

/**
 * Circuits of this process alone.
 * @throws TypeError, RangeError naming option, bound and value
 */
export function memoryCircuits(options: MemoryCircuitsOptions = {}): CircuitStore {
  return localCircuits(resolveOptions('memoryCircuits', memoryCircuitsChecks, options).maxCircuits)
}

export const memoryCircuitsChecks: Checks<MemoryCircuitsOptions, Filled<MemoryCircuitsOptions>> = {
  maxCircuits: withDefault(integer({ min: 1 }), DEFAULT_MAX_CIRCUITS),
}

import { localCircuits } from '../../circuit/local-circuits.ts'
import { DEFAULT_MAX_CIRCUITS } from '../../circuit/registry.ts'
import type { CircuitStore } from '../../circuit/store.ts'
import { integerOption, objectOption } from '../../options.ts'

export interface MemoryCircuitsOptions {
  /** Circuits kept; the least recently used goes, a closed one first. Default 1,000. */
  maxCircuits?: number
}

/**
 * Circuits of this process alone.
 * @throws TypeError, RangeError naming option, bound and value
 */
export function memoryCircuits(options: MemoryCircuitsOptions = {}): CircuitStore {
  objectOption('memoryCircuits', options, ['maxCircuits'])
  return localCircuits(integerOption('maxCircuits', options.maxCircuits ?? DEFAULT_MAX_CIRCUITS, { min: 1 }))
}

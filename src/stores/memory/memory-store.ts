import { objectOption } from '../../options.ts'
import type { ResilienceStore } from '../../store.ts'
import { memoryCircuits, type MemoryCircuitsOptions } from './circuits.ts'
import { memoryDeadLetters, type MemoryDeadLettersOptions } from './dead-letters.ts'

export interface MemoryStoreOptions extends MemoryCircuitsOptions {
  /** How many dead letters are kept, how large and how long; the oldest go first. */
  deadLetters?: MemoryDeadLettersOptions
}

/**
 * Circuits and dead letters of this process, bounded, gone with it. The default of `resilience()`; make one yourself
 * to share it between stacks.
 *
 * @throws TypeError, RangeError naming option, bound and value
 * @example
 * const store = memoryStore({ deadLetters: { maxRecords: 10_000 } })
 */
export function memoryStore(options: MemoryStoreOptions = {}): ResilienceStore {
  objectOption('memoryStore', options, ['maxCircuits', 'deadLetters'])
  const { deadLetters: letterOptions, ...circuitOptions } = options
  const circuits = memoryCircuits(circuitOptions)
  const deadLetters = memoryDeadLetters(letterOptions)
  return {
    circuits,
    deadLetters,
    async close() {
      await Promise.all([circuits.close(), deadLetters.close()])
    },
  }
}

import { type Checks, object, resolveOptions } from '../../checks.ts'
import {
  localDeadLetters,
  localDeadLettersChecks,
  type LocalDeadLettersOptions,
  type LocalDeadLettersPolicy,
} from '../../dead-letter/local/local-dead-letters.ts'
import type { Filled } from '../../options.ts'
import type { ResilienceStore } from '../../store.ts'
import { memoryCircuits, memoryCircuitsChecks, type MemoryCircuitsOptions } from './circuits.ts'
import { memoryLimits } from './limits.ts'

/** Options of `memoryStore`. */
export interface MemoryStoreOptions extends MemoryCircuitsOptions {
  /** How many dead letters are kept, how large and how long; the oldest go first. */
  deadLetters?: LocalDeadLettersOptions | undefined
}

interface MemoryStorePolicy extends Filled<MemoryCircuitsOptions> {
  readonly deadLetters: LocalDeadLettersPolicy
}

const checks: Checks<MemoryStoreOptions, MemoryStorePolicy> = {
  ...memoryCircuitsChecks,
  deadLetters: object(localDeadLettersChecks),
}

/**
 * Circuits, limits and dead letters of this process, bounded, gone with it. The default of `resilience()`; make one yourself
 * to share it between stacks.
 *
 * @throws TypeError, RangeError naming option, bound and value
 * @example
 * const store = memoryStore({ deadLetters: { maxRecords: 10_000 } })
 */
export function memoryStore(options: MemoryStoreOptions = {}): ResilienceStore {
  const { maxCircuits, deadLetters: bounds } = resolveOptions('memoryStore', checks, options)
  const circuits = memoryCircuits({ maxCircuits })
  const limits = memoryLimits()
  const deadLetters = localDeadLetters(bounds)
  return {
    circuits,
    limits,
    deadLetters,
    async close() {
      await Promise.all([circuits.close(), limits.close(), deadLetters.close()])
    },
  }
}

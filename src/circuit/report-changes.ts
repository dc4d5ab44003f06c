import type { Reporter } from '../telemetry/reporter.ts'
import type { CircuitStore } from './store.ts'

/** Lets a stack's logger hear of the store's changes. Returns what ends it. */
export function reportChanges(circuits: CircuitStore, reporter: Reporter): () => void {
  return circuits.onChange((change) => {
    if (change.type === 'circuit') reporter.circuitChanged(change.event)
    else reporter.storeDegraded(change.event)
  })
}

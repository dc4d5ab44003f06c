import { memoryCircuits } from '../../src/stores/memory/circuits.ts'
import { circuitStoreContract } from './circuit-store.ts'

circuitStoreContract('memory', (options) => {
  const store = memoryCircuits(options)
  return Promise.resolve({ store, other: store, dispose: () => store.close() })
})

import { memoryCircuits } from '../../../src/stores/memory/circuits.ts'
import { circuitStoreContract } from '../../../src/testing/contracts/circuit-store.ts'
import { runner } from '../runner.ts'

circuitStoreContract(runner, 'memory', (options) => {
  const store = memoryCircuits(options)
  return Promise.resolve({ store, other: store, dispose: () => store.close() })
})

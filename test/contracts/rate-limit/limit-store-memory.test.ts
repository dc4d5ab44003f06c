import { memoryLimits } from '../../../src/stores/memory/limits.ts'
import { limitStoreContract } from '../../../src/testing/contracts/limit-store.ts'
import { runner } from '../runner.ts'

limitStoreContract(runner, 'memory', () => {
  const store = memoryLimits()
  return Promise.resolve({ store, other: store, dispose: () => store.close() })
})

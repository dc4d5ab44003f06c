import type { RetentionOptions } from '../../src/dead-letter/store.ts'
import { memoryDeadLetters } from '../../src/stores/memory/dead-letters.ts'
import { deadLetterStoreContract, type StoreUnderTest } from './dead-letter-store.ts'

const make = (retention: RetentionOptions): Promise<StoreUnderTest> => {
  let passed = 0
  const store = memoryDeadLetters({ maxRecords: 20_000, ...retention, now: () => Date.now() + passed })
  return Promise.resolve({
    store,
    advance: (ms: number) => {
      passed += ms
      return Promise.resolve()
    },
    other: () => Promise.resolve(store),
    dispose: () => store.close(),
  })
}

deadLetterStoreContract('memory', make, 'objects')

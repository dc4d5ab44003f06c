import { localDeadLetters } from '../../../src/dead-letter/local/local-dead-letters.ts'
import type { RetentionOptions } from '../../../src/dead-letter/store/retention.ts'
import { deadLetterStoreContract } from '../../../src/testing/contracts/dead-letter-store/contract.ts'
import type { DeadLetterStoreFixture } from '../../../src/testing/contracts/dead-letter-store/scene.ts'
import { runner } from '../runner.ts'

const make = (retention: RetentionOptions): Promise<DeadLetterStoreFixture> => {
  // stands still: a lease of 25 ms must not end on a machine that is busy for longer
  let now = Date.now()
  const store = localDeadLetters({ maxRecords: 20_000, ...retention, now: () => now })
  return Promise.resolve({
    store,
    advance: (ms: number) => {
      now += ms
      return Promise.resolve()
    },
    other: () => Promise.resolve(store),
    dispose: () => store.close(),
  })
}

deadLetterStoreContract(runner, 'memory', make, { keptAs: 'objects' })

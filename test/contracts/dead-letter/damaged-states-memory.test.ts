import { localDeadLetters } from '../../../src/dead-letter/local/local-dead-letters.ts'
import { type DamageableStore, damagedStatesContract } from '../../../src/testing/contracts/damaged-states.ts'
import { runner } from '../runner.ts'

const make = (): Promise<DamageableStore> => {
  // stands still: a lease of 25 ms must not end on a machine that is busy for longer
  let now = Date.now()
  const store = localDeadLetters({ now: () => now })
  return Promise.resolve({
    store,
    advance: (ms: number) => {
      now += ms
      return Promise.resolve()
    },
    dispose: () => store.close(),
  })
}

// Nobody else can write there: the objects that were handed in are all that others have.
damagedStatesContract(runner, 'memory', make, {
  ofOne: {},
  ofAll: {
    'a program that changes the records that it has added': async (_store, added) => {
      for (const record of added) {
        Object.assign(record.request, { url: undefined, headers: 7, bytes: NaN })
        Object.assign(record, { request: undefined, orderingKey: 'x', timestamp: Infinity })
      }
    },
  },
})

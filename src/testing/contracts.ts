export { circuitStoreContract, type CircuitStoreFixture } from './contracts/circuit-store.ts'
export {
  damagedStatesContract,
  type DamageableStore,
  type DamageKind,
  type Damages,
  everyKind,
} from './contracts/damaged-states.ts'
export { deadLetterSinkContract, type DeadLetterSinkFixture } from './contracts/dead-letter-sink.ts'
export {
  deadLetterStoreContract,
  type DeadLetterStoreContractOptions,
} from './contracts/dead-letter-store/contract.ts'
export { type DeadLetterStoreFixture } from './contracts/dead-letter-store/scene.ts'
export { limitStoreContract, type LimitStoreFixture } from './contracts/limit-store.ts'
export { type RecordChanges, makeRecord } from './contracts/records.ts'
export { type TestRunner } from './contracts/runner.ts'

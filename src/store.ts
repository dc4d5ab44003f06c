import type { CircuitStore } from './circuit/store.ts'
import type { DeadLetterStore } from './dead-letter/store.ts'

/** Where a stack keeps what must outlive a call: `memoryStore()`, `sqliteStore(path)`, `redisStore(redis)`. */
export interface ResilienceStore {
  readonly circuits: CircuitStore
  readonly deadLetters: DeadLetterStore
  /** Writes what is pending and ends the connections that the store opened, never a client that it was handed. */
  close(): Promise<void>
}

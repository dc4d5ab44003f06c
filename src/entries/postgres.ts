export { type SharedCircuitStore } from '../circuit/store.ts'
export { type ListenClient, type PostgresClient } from '../stores/postgres/client.ts'
export {
  postgresStore,
  type PostgresStore,
  type PostgresStoreOptions,
} from '../stores/postgres/postgres-store.ts'
export { type PostgresDeadLetterStore } from '../stores/postgres/dead-letters/dead-letters.ts'

export { type RetentionOptions } from './dead-letter/store.ts'
export { sqliteStore, type SqliteStoreOptions } from './stores/sqlite/sqlite-store.ts'

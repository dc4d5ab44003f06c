export { type RetentionOptions } from '../dead-letter/store/retention.ts'
export { sqliteStore, type SqliteStoreOptions } from '../stores/sqlite/sqlite-store.ts'

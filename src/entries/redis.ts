export { type SharedCircuitStore } from '../circuit/store.ts'
export { redisStore, type RedisStore, type RedisStoreOptions } from '../stores/redis/redis-store.ts'

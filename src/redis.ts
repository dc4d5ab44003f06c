export { redisStore, type RedisStore, type RedisStoreOptions } from './stores/redis/redis-store.ts'

import { StoreLink } from '../../store-link.ts'
import type { RedisClient } from '../connection.ts'

/** The two connections of the circuits in Redis. */
export class RedisLink extends StoreLink {
  readonly client: RedisClient
  /** Resolves when commands can be sent; rejects when that takes too long. */
  readonly ready: () => Promise<void>

  constructor(client: RedisClient, channel: string, by: string, ready: () => Promise<void>) {
    super(channel, by)
    this.client = client
    this.ready = ready
  }
}

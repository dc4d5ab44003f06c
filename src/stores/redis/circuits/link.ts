import { StoreLink } from '../../store-link.ts'
import type { RedisClient } from '../connection.ts'
import type { Unanswered } from '../unanswered.ts'

/** The two connections of the circuits in Redis. */
export class RedisLink extends StoreLink {
  readonly client: RedisClient
  readonly unanswered: Unanswered
  /** Resolves when commands can be sent; rejects when that takes too long. */
  readonly ready: () => Promise<void>

  constructor(
    client: RedisClient,
    unanswered: Unanswered,
    channel: string,
    by: string,
    ready: () => Promise<void>,
  ) {
    super(channel, by)
    this.client = client
    this.unanswered = unanswered
    this.ready = ready
  }
}

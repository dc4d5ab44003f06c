import { SharedLimits } from '../../../rate-limit/shared/shared-limits.ts'
import { decodeLimitMessage } from '../../../rate-limit/shared/wire.ts'
import type { LimitStore } from '../../../rate-limit/store.ts'
import { systemScheduler } from '../../../time/clock.ts'
import type { RedisLink } from '../circuits/link.ts'
import { RedisLimitBackend } from './backend.ts'
import { RedisLimitDirectory } from './directory.ts'
import { LimitLayout } from './layout.ts'

/** Limits over the two connections that circuits have: commands, and the channel. */
export function redisLimits(link: RedisLink, prefix: string, timeoutMs: number): LimitStore {
  const { client, channel, by, unanswered } = link
  const layout = new LimitLayout(client, prefix)
  const backend = new RedisLimitBackend({ client, layout, channel, timeoutMs, unanswered })
  const limits = new SharedLimits(backend, systemScheduler, by)
  link.attach({
    connected: () => limits.connected(),
    subscribed: () => limits.subscribed(),
    heard(message) {
      const known = decodeLimitMessage(message)
      if (known !== undefined) limits.pushed(known)
      return known !== undefined
    },
  })
  const directory = new RedisLimitDirectory({
    connected: () => link.ready().then(() => client),
    backend,
    layout,
    timeoutMs,
  })
  return Object.assign(limits.store, { directory })
}

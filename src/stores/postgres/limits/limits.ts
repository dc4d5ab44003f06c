import { SharedLimits } from '../../../rate-limit/shared/shared-limits.ts'
import { decodeLimitMessage } from '../../../rate-limit/shared/wire.ts'
import type { LimitStore } from '../../../rate-limit/store.ts'
import { systemScheduler } from '../../../time/clock.ts'
import type { StoreLink } from '../../store-link.ts'
import type { PostgresDatabase } from '../database.ts'
import { PostgresLimitBackend } from './backend.ts'
import { PostgresLimitDirectory } from './directory.ts'

interface PostgresLimitsSettings {
  readonly commandTimeoutMs: number
  readonly pollIntervalMs: number
}

/** Limits over the pool, and the channel that circuits have. Where nothing is pushed, cool-downs are polled. */
export function postgresLimits(
  db: PostgresDatabase,
  link: StoreLink,
  { commandTimeoutMs: timeoutMs, pollIntervalMs }: PostgresLimitsSettings,
): LimitStore {
  const { channel, by } = link
  let isAway = false
  const backend = new PostgresLimitBackend({
    db,
    channel,
    timeoutMs,
    answered(isAnswered) {
      const isBack = isAway && isAnswered
      isAway = !isAnswered
      // a pool says by nothing else that its server is back
      if (isBack) limits.connected()
    },
  })
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
  let isLooking = false
  const timer = setInterval(() => {
    if (isLooking || (link.isSubscribed && !isAway)) return
    isLooking = true
    limits.subscribed()
    void limits.flush().finally(() => (isLooking = false))
  }, pollIntervalMs)
  timer.unref()
  const directory = new PostgresLimitDirectory(backend)
  const { store } = limits
  const close = store.close.bind(store)
  return Object.assign(store, {
    directory,
    close() {
      clearInterval(timer)
      return close()
    },
  })
}

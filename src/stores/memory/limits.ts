import { LimitRegistry } from '../../rate-limit/registry.ts'
import type { LimitStore } from '../../rate-limit/store.ts'

/** Limits and cool-downs of this process alone. */
export function memoryLimits(): LimitStore {
  return new LimitRegistry()
}

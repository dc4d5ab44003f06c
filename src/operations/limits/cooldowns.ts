import type { OpenedStore } from '../stores/open-store.ts'
import { askLimits } from './directory.ts'

/**
 * Lets no call of the key go for so long, in all processes.
 * @returns what is left, in milliseconds: a longer cool-down stays
 * @throws {OperationError} when the store shares no limits, or does not answer
 */
export function coolKey(store: OpenedStore, key: string, ms: number): Promise<number> {
  return askLimits(store, (directory) => directory.cool(key, ms))
}

/**
 * Ends a cool-down in all processes.
 * @throws {OperationError} as `coolKey`
 */
export function clearKey(store: OpenedStore, key: string): Promise<void> {
  return askLimits(store, (directory) => directory.clear(key))
}

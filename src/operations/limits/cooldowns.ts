import { originsMeantBy, scopeOf } from '../../http/url/scope.ts'
import { InputError } from '../operation-error.ts'
import type { OpenedStore } from '../stores/open-store.ts'
import { askLimits } from './directory.ts'

/**
 * Lets no call of the key go for so long, in all processes.
 * @returns what is left, in milliseconds: a longer cool-down stays
 * @throws {InputError} for a url or a host of which calls use the origin: it would hold none of them back
 * @throws {OperationError} when the store shares no limits, or does not answer
 */
export async function coolKey(store: OpenedStore, key: string, ms: number): Promise<number> {
  await checkKey(store, key)
  return askLimits(store, (directory) => directory.cool(key, ms))
}

/**
 * Ends a cool-down in all processes.
 * @throws {InputError, OperationError} as `coolKey`
 */
export async function clearKey(store: OpenedStore, key: string): Promise<void> {
  await checkKey(store, key)
  return askLimits(store, (directory) => directory.clear(key))
}

async function checkKey(store: OpenedStore, key: string): Promise<void> {
  const meant = originsMeantBy(key)
  // most keys are origins, for which no keyspace is scanned
  if (meant.length === 0) return
  const inUse = await askLimits(store, async (directory) => {
    const [limits, cooling] = await Promise.all([directory.limits(), directory.list()])
    return new Set([...limits, ...cooling].flatMap((one) => [one.key, scopeOf(one.key)]))
  })
  const origin = inUse.has(key) ? undefined : meant.find((one) => inUse.has(one))
  if (origin !== undefined) {
    throw new InputError('key', `must be that of a limit, got ${key}; did you mean ${origin}?`)
  }
}

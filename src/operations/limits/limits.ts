import { setTimeout as wait } from 'node:timers/promises'
import type { StoredLimit } from '../../rate-limit/store.ts'
import type { OpenedStore } from '../stores/open-store.ts'
import { askLimits } from './directory.ts'

/** A limit of a key, a cool-down of it, or both. */
export interface ListedLimit extends Partial<Omit<StoredLimit, 'key'>> {
  readonly key: string
  /** What is left of the cool-down, in milliseconds; 0 where there is none. */
  readonly retryAfterMs: number
}

/**
 * The limits of all processes that share the store, and their cool-downs: one entry for each limit, and one for each key
 * that only cools down.
 * @throws {OperationError} when it shares none, or does not answer
 */
export async function listLimits(store: OpenedStore): Promise<ListedLimit[]> {
  const [limits, cooling] = await askLimits(store, (directory) =>
    Promise.all([directory.limits(), directory.list()]),
  )
  const left = new Map(cooling.map(({ key, retryAfterMs }) => [key, retryAfterMs]))
  // that of an origin holds for all credentials used there
  const coolingOf = (key: string): number => left.get(key) ?? left.get(key.split('#', 1)[0]!) ?? 0
  const keys = new Set(limits.map(({ key }) => key))
  const alone = cooling.filter(({ key }) => !keys.has(key))
  return [...limits.map((limit) => ({ ...limit, retryAfterMs: coolingOf(limit.key) })), ...alone].sort(
    (a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0),
  )
}

/** How often a watch looks, in milliseconds. */
const LOOK_MS = 1_000

/**
 * Tells every limit and cool-down as it is, then each that is another a second later, until `signal` aborts. A cool-down
 * that only goes on is not told again; one that is over is, once.
 * @throws {OperationError} as `listLimits`
 */
export async function watchLimits(
  store: OpenedStore,
  tell: (limit: ListedLimit) => void,
  signal: AbortSignal,
): Promise<void> {
  let before = new Map<string, ListedLimit>()
  while (!signal.aborted) {
    const now = new Map((await listLimits(store)).map((one) => [`${one.key} ${one.name ?? ''}`, one]))
    for (const [id, one] of now) if (isNews(one, before.get(id))) tell(one)
    for (const [id, { key, retryAfterMs }] of before) {
      if (retryAfterMs > 0 && !now.has(id)) tell({ key, retryAfterMs: 0 })
    }
    before = now
    await wait(LOOK_MS, undefined, { signal }).catch(() => undefined)
  }
}

function isNews(one: ListedLimit, before: ListedLimit | undefined): boolean {
  if (before === undefined) return true
  const isLonger = one.retryAfterMs > before.retryAfterMs
  const hasEnded = one.retryAfterMs === 0 && before.retryAfterMs > 0
  const { used, held, waiting, processes } = one
  return (
    isLonger ||
    hasEnded ||
    used !== before.used ||
    held !== before.held ||
    waiting !== before.waiting ||
    processes !== before.processes
  )
}

import type { DeadLetterStore } from '../store/store.ts'

/** Told that calls were added that are to be sent at once. `byOthers`: maybe by another process, and to many. */
type Wake = (from: { readonly byOthers: boolean }) => void

/** A store that hears of what other processes add to their outboxes. */
interface PushingStore {
  /**
   * Calls `heard` when an outbox of any process has added calls that are to be sent at once. It is a hint: it may come late,
   * twice, or never.
   * @returns what ends it
   */
  onOutboxAdd(heard: () => void): () => void
}

const waiting = new WeakMap<DeadLetterStore, Set<Wake>>()

/**
 * Calls `wake` when calls were added to an outbox on the store, in this process, and in others where the store hears of it.
 * @returns what ends it
 */
export function onOutboxAdd(store: DeadLetterStore, wake: Wake): () => void {
  const wakes = waiting.get(store) ?? new Set<Wake>()
  waiting.set(store, wakes)
  wakes.add(wake)
  const forget = (store as DeadLetterStore & Partial<PushingStore>).onOutboxAdd?.(() =>
    wake({ byOthers: true }),
  )
  return () => {
    wakes.delete(wake)
    forget?.()
  }
}

/** Calls were added by this process, and can be claimed. */
export function outboxAdded(store: DeadLetterStore): void {
  for (const wake of waiting.get(store) ?? []) wake({ byOthers: false })
}

/**
 * Whether this process has an outbox. A replayer then looks often for what is due: a call that was just written should
 * leave at once, and only the commit of somebody else's transaction says when it can.
 */
let inUse = false
const listeners = new Set<() => void>()

export function isOutboxInUse(): boolean {
  return inUse
}

export function markOutboxInUse(): void {
  if (inUse) return
  inUse = true
  for (const listener of listeners) listener()
  listeners.clear()
}

/**
 * Calls `listener` once, when the first outbox is made.
 * @returns what ends it
 */
export function onOutboxInUse(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

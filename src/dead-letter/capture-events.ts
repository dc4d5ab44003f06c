import { channels } from '../telemetry/channels.ts'

/** Where the records now are: what is told here survives this process. */
export function tellDurable(ids: readonly string[], where: 'store' | 'spool'): void {
  if (!channels.deadLetterDurable.hasSubscribers) return
  for (const id of ids) channels.deadLetterDurable.publish({ id, where })
}

/** The store was lost, or is back. */
export function tellDegraded(degraded: boolean, error?: unknown): void {
  if (!channels.storeDegraded.hasSubscribers) return
  channels.storeDegraded.publish({
    store: 'dead-letters',
    degraded,
    ...(error instanceof Error ? { error } : {}),
  })
}

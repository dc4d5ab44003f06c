import { isError } from '../../../errors.ts'
import { channels, type DeadLetterDurableEvent } from '../../../telemetry/channels.ts'

/**
 * These records are on disk, or wherever the store or sink keeps them, and survive this process.
 * @param sink the name of the sink that they are for
 */
export function reportDurable(
  ids: readonly string[],
  where: DeadLetterDurableEvent['where'],
  sink: string | undefined,
): void {
  if (!channels.deadLetterDurable.hasSubscribers) return
  const of = sink === undefined ? {} : { sink }
  for (const id of ids) channels.deadLetterDurable.publish({ id, where, ...of })
}

/** The store or sink failed, or works again. */
export function reportDegraded(sink: string | undefined, degraded: boolean, error?: unknown): void {
  if (!channels.storeDegraded.hasSubscribers) return
  channels.storeDegraded.publish({
    store: sink === undefined ? 'dead-letters' : `sink ${sink}`,
    degraded,
    ...(isError(error) ? { error } : {}),
  })
}

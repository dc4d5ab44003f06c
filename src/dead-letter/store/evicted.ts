import { channels } from '../../telemetry/channels.ts'

/** Tells who listens that retention removed an entry: it will never be replayed. */
export function reportEvicted(id: string, integration: string): void {
  if (!channels.deadLetterDropped.hasSubscribers) return
  channels.deadLetterDropped.publish({ id, integration, reason: 'evicted' })
}

import { DeadLetterFormatError } from '../../dead-letter/record/json.ts'
import { originOf, type DeadLetter } from '../../dead-letter/record/record.ts'
import { isReplayable } from '../../dead-letter/store/lifecycle.ts'
import type { DeadLetterStore } from '../../dead-letter/store/store.ts'

/** What stood in the way of an operation, to be read after the id; asked of an entry that is there. */
type Obstacle = (entry: DeadLetter) => string

/** Why an operation left an entry alone that it was to work on: what the store knows of it now. */
export async function whyLeft(store: DeadLetterStore, id: string, obstacle: Obstacle): Promise<string> {
  try {
    const entry = await store.get(id)
    return entry === undefined
      ? 'there is no such entry: it was replayed or discarded, or is in another store'
      : obstacle(entry)
  } catch (error) {
    if (!(error instanceof DeadLetterFormatError)) throw error
    return `it cannot be read: ${error.message}`
  }
}

/** How many of the ids were left alone for each reason. */
export async function whyLeftCounted(
  store: DeadLetterStore,
  ids: readonly string[],
  obstacle: Obstacle,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>()
  for (const id of ids) {
    if (signal.aborted) break
    const why = await whyLeft(store, id, obstacle)
    counts.set(why, (counts.get(why) ?? 0) + 1)
  }
  return counts
}

export function whyNotReplayed(allowedOrigins: readonly string[]): Obstacle {
  return (entry) => {
    const origin = originOf(entry)
    if (!isReplayable(entry)) return notReplayable(entry)
    if (!allowedOrigins.includes(origin)) {
      return `it goes to ${origin}, which is not among the allowed origins`
    }
    if (isHeld(entry)) return HELD
    if (entry.orderingKey !== undefined) return 'an entry before it has the same ordering key'
    return 'it was in use when its turn came'
  }
}

export const whyNotRequeued: Obstacle = (entry) => {
  if (isHeld(entry)) return HELD
  return isReplayable(entry) ? `it is not set aside: it is ${entry.status}` : notReplayable(entry)
}

export const whyNotDiscarded: Obstacle = ({ status }) =>
  status === 'sending' ? 'it is being sent now' : 'it was being sent when its turn came'

const HELD = 'a replayer holds it now'

function isHeld({ status }: DeadLetter): boolean {
  return status === 'leased' || status === 'sending'
}

function notReplayable({ notReplayableReason }: DeadLetter): string {
  return `it is not replayable: ${notReplayableReason ?? 'body-unavailable'}`
}

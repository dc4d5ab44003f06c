import { DeadLetterFormatError } from '../../dead-letter/record/json.ts'
import { notReplayable, notReplayableReason } from '../../dead-letter/record/not-replayable.ts'
import { originOf, type DeadLetter } from '../../dead-letter/record/record.ts'
import { isReplayable } from '../../dead-letter/store/lifecycle.ts'
import type { DeadLetterStore } from '../../dead-letter/store/store.ts'
import { asError } from '../../errors.ts'

/** What stood in the way of an operation, to be read after the id; asked of an entry that is there. */
type Obstacle = (entry: DeadLetter) => string

/** Each that was left is one question to the store: of more than this, the others are only counted. */
const MOST_LOOKED_AT = 1_000

/** Why an operation left an entry alone that it was to work on: what the store knows of it now. Never rejects. */
export async function whyLeft(store: DeadLetterStore, id: string, obstacle: Obstacle): Promise<string> {
  const { why, error } = await lookAt(store, id, obstacle)
  return error === undefined ? why : `${why}: ${asError(error).message}`
}

/** How many of the ids were left alone for each reason. Never rejects: what was done is to be told all the same. */
export async function whyLeftCounted(
  store: DeadLetterStore,
  ids: readonly string[],
  obstacle: Obstacle,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>()
  const count = (why: string, of: number): void => void counts.set(why, (counts.get(why) ?? 0) + of)
  for (const [at, id] of ids.entries()) {
    if (signal.aborted) break
    if (at === MOST_LOOKED_AT) {
      count(`not looked at, after the first ${MOST_LOOKED_AT}`, ids.length - at)
      break
    }
    const { why, error } = await lookAt(store, id, obstacle)
    if (error !== undefined && !(error instanceof DeadLetterFormatError)) {
      count(`${why}: ${asError(error).message}`, ids.length - at)
      break
    }
    count(why, 1)
  }
  return counts
}

async function lookAt(
  store: DeadLetterStore,
  id: string,
  obstacle: Obstacle,
): Promise<{ readonly why: string; readonly error?: unknown }> {
  try {
    const entry = await store.get(id)
    return { why: entry === undefined ? GONE : obstacle(entry) }
  } catch (error) {
    return { why: error instanceof DeadLetterFormatError ? 'it cannot be read' : CANNOT_LOOK, error }
  }
}

const GONE = 'there is no such entry: it was replayed or discarded, or is in another store'
const CANNOT_LOOK = 'the store could not be asked why'

export function whyNotReplayed(allowedOrigins: readonly string[]): Obstacle {
  return (entry) => {
    const origin = originOf(entry)
    if (!isReplayable(entry)) return whyNotReplayable(entry)
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
  return isReplayable(entry) ? `it is not set aside: it is ${entry.status}` : whyNotReplayable(entry)
}

export const whyNotDiscarded: Obstacle = ({ status }) =>
  status === 'sending' ? 'it is being sent now' : 'it was being sent when its turn came'

const HELD = 'a replayer holds it now'

function isHeld({ status }: DeadLetter): boolean {
  return status === 'leased' || status === 'sending'
}

function whyNotReplayable(entry: DeadLetter): string {
  const { why, edit } = notReplayable(entry)
  return `it is not replayable: ${notReplayableReason(entry)}: ${why}${edit === undefined ? '' : `; ${edit}`}`
}

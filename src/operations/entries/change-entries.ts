import type { DeadLetterStore } from '../../dead-letter/store/store.ts'

/** Ids that one command of a store is given. */
const CHUNK = 500

interface ChangeOptions {
  /** A person has named each entry, and wants to hear what became of it. Default false. */
  readonly named?: boolean
  /** Ends the work between two chunks. */
  readonly signal: AbortSignal
  /** Called after each chunk with how many were changed so far. */
  readonly onProgress?: (changed: number) => void
}

interface Changes {
  readonly changed: number
  /** Ids that were left alone: known where each was told by itself. */
  readonly left: readonly string[]
}

/** Removes entries for good, except those that are being sent. */
export function discardEntries(
  store: DeadLetterStore,
  ids: readonly string[],
  options: ChangeOptions,
): Promise<Changes> {
  return inChunks(ids, options, (chunk) => store.discard(chunk))
}

/** Brings entries that are in doubt or quarantined, and replayable, back to the others. */
export function requeueEntries(
  store: DeadLetterStore,
  ids: readonly string[],
  options: ChangeOptions,
): Promise<Changes> {
  return inChunks(ids, options, (chunk) => store.requeue(chunk))
}

async function inChunks(
  ids: readonly string[],
  { named = false, signal, onProgress }: ChangeOptions,
  change: (chunk: readonly string[]) => Promise<number>,
): Promise<Changes> {
  const size = named ? 1 : CHUNK
  const left: string[] = []
  let changed = 0
  for (let at = 0; at < ids.length && !signal.aborted; at += size) {
    const chunk = ids.slice(at, at + size)
    const count = await change(chunk)
    if (named && count === 0) left.push(...chunk)
    changed += count
    onProgress?.(changed)
  }
  return { changed, left }
}

import type { DeadLetterStore } from '../../dead-letter/store/store.ts'

/** Ids that one command of a store is given. */
const CHUNK = 500

interface ChangeOptions {
  /** Ends the work between two chunks. */
  readonly signal: AbortSignal
  /** Called after each chunk with how many were changed so far. */
  readonly onProgress?: (changed: number) => void
}

/** Removes entries for good, except those that are being sent. Resolves to how many. */
export function discardEntries(
  store: DeadLetterStore,
  ids: readonly string[],
  options: ChangeOptions,
): Promise<number> {
  return inChunks(ids, options, (chunk) => store.discard(chunk))
}

/** Brings entries that are in doubt or quarantined, and replayable, back to the others. Resolves to how many. */
export function requeueEntries(
  store: DeadLetterStore,
  ids: readonly string[],
  options: ChangeOptions,
): Promise<number> {
  return inChunks(ids, options, (chunk) => store.requeue(chunk))
}

async function inChunks(
  ids: readonly string[],
  { signal, onProgress }: ChangeOptions,
  change: (chunk: readonly string[]) => Promise<number>,
): Promise<number> {
  let changed = 0
  for (let at = 0; at < ids.length && !signal.aborted; at += CHUNK) {
    changed += await change(ids.slice(at, at + CHUNK))
    onProgress?.(changed)
  }
  return changed
}

import { isStorable } from './record-json.ts'
import type { DeadLetterRecord } from './record.ts'
import type { AddResult } from './store.ts'
import { TimeLimitError } from './time-limit.ts'

/** Failures in a row, with nothing taken between them, after which it is the store that is away, not a record bad. */
const MAX_FRUITLESS = 20

type Add = (records: readonly DeadLetterRecord[]) => Promise<AddResult>

/** What became of a batch; every record is in exactly one of the three. */
export interface AddedApart {
  /** The store's answers to the parts that it took. */
  readonly results: readonly AddResult[]
  /** Records that it can never take, though it takes others. */
  readonly bad: readonly DeadLetterRecord[]
  /** Records that wait for another time. */
  readonly left: readonly DeadLetterRecord[]
  /** The last failure; `undefined` when the batch was taken whole. */
  readonly error: unknown
}

/**
 * Adds a batch, and when the store fails looks for records that are to blame: the batch is halved until what fails is
 * one record alone. Such a one is bad when it fails once more while the store takes others, or when it could not be
 * read back. Takes about `ms` more than one add: a store that is slow to fail, or takes nothing at all, is away.
 */
export async function addApart(
  add: Add,
  records: readonly DeadLetterRecord[],
  ms: number,
): Promise<AddedApart> {
  const results: AddResult[] = []
  const bad: DeadLetterRecord[] = []
  const suspects: DeadLetterRecord[] = []
  let error: unknown
  let deadline: number | undefined
  let taken: DeadLetterRecord | undefined
  let fruitless = 0

  const tries = async (part: readonly DeadLetterRecord[]): Promise<boolean> => {
    try {
      results.push(await add(part))
      taken = part[0]
      fruitless = 0
      return true
    } catch (failure) {
      error = failure
      deadline ??= performance.now() + ms
      fruitless++
      return false
    }
  }
  const isAway = (): boolean =>
    error !== undefined && (isOutage(error) || fruitless > MAX_FRUITLESS || performance.now() > deadline!)

  const parts = [records]
  while (parts.length > 0 && !isAway()) {
    const part = parts.pop()!
    if (await tries(part)) continue
    if (part.length === 1) (isStorable(part[0]!) ? suspects : bad).push(part[0]!)
    else parts.push(...halves(part === records ? shuffled(part) : part))
  }

  const guilty: DeadLetterRecord[] = []
  while (suspects.length > 0 && taken !== undefined && !isAway()) {
    const one = suspects.pop()!
    if (!(await tries([one]))) guilty.push(one)
  }
  // adding what is there is harmless, and shows that the store has not gone away meanwhile
  if (
    guilty.length > 0 &&
    !isAway() &&
    (await add([taken!]).then(
      () => true,
      () => false,
    ))
  ) {
    bad.push(...guilty.splice(0))
  }
  return { results, bad, left: [...guilty, ...suspects, ...parts.flat()], error }
}

/** Failures that no record has caused: our own time limit, and errors of the system (`ECONNREFUSED`, `ENOSPC`). */
function isOutage(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code
  return error instanceof TimeLimitError || (typeof code === 'string' && /^E[A-Z0-9]+$/.test(code))
}

/** Bad records often come one after the other; halves should nevertheless soon hold a good one. */
function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item)
}

function halves<T>(items: readonly T[]): [readonly T[], readonly T[]] {
  const middle = items.length >> 1
  return [items.slice(0, middle), items.slice(middle)]
}

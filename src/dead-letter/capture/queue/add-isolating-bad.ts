import { isStorable } from '../../record/json.ts'
import type { DeadLetterRecord } from '../../record/record.ts'
import type { AddResult } from '../../store/add-result.ts'
import { isStoreFault } from '../../store/fault.ts'

/** Failures in a row after which it is the store that is out of order, not a record that is bad. */
const MAX_FAILURES = 20

type Add = (records: readonly DeadLetterRecord[]) => Promise<AddResult>

/** What became of a batch; every record is in exactly one of the three. */
export interface IsolatedAdd {
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
 * Adds a batch, and when the store fails looks for the records that it fails for: the batch is halved until what fails
 * is one record alone. Such a one is bad when it fails once more while the store takes others, or when it could not be
 * read back. Takes about `ms` more than one add: a store that is slow to fail, or takes nothing at all, is out of order.
 */
export async function addIsolatingBad(
  add: Add,
  records: readonly DeadLetterRecord[],
  ms: number,
): Promise<IsolatedAdd> {
  const results: AddResult[] = []
  const bad: DeadLetterRecord[] = []
  /** Each failed alone, once. */
  const failedOnce: DeadLetterRecord[] = []
  let error: unknown
  let deadline: number | undefined
  let taken: DeadLetterRecord | undefined
  let failuresInARow = 0

  const isTaken = async (part: readonly DeadLetterRecord[]): Promise<boolean> => {
    try {
      results.push(await add(part))
      taken = part[0]
      failuresInARow = 0
      return true
    } catch (failure) {
      error = failure
      deadline ??= performance.now() + ms
      failuresInARow++
      return false
    }
  }
  const isOutOfOrder = (): boolean =>
    error !== undefined &&
    (isStoreFault(error) || failuresInARow > MAX_FAILURES || performance.now() > deadline!)

  const parts = [records]
  while (parts.length > 0 && !isOutOfOrder()) {
    const part = parts.pop()!
    if (await isTaken(part)) continue
    if (part.length === 1) (isStorable(part[0]!) ? failedOnce : bad).push(part[0]!)
    else parts.push(...halves(part === records ? shuffled(part) : part))
  }

  const failedTwice: DeadLetterRecord[] = []
  while (failedOnce.length > 0 && taken !== undefined && !isOutOfOrder()) {
    const one = failedOnce.pop()!
    if (!(await isTaken([one]))) failedTwice.push(one)
  }
  // adding what is there is harmless, and shows that the store works still
  const worksStill = (): Promise<boolean> =>
    add([taken!]).then(
      () => true,
      () => false,
    )
  if (failedTwice.length > 0 && !isOutOfOrder() && (await worksStill())) bad.push(...failedTwice.splice(0))
  return { results, bad, left: [...failedTwice, ...failedOnce, ...parts.flat()], error }
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

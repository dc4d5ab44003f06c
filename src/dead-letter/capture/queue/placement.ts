import { shown } from '../../../options.ts'
import { withTimeLimit } from '../../../time/time-limit.ts'
import { isStorable } from '../../record/json.ts'
import type { DeadLetterRecord } from '../../record/record.ts'
import type { AddResult } from '../../store/add-result.ts'
import type { DeadLetterSink } from '../../store/sink.ts'
import { addIsolatingBad } from './add-isolating-bad.ts'
import { reportDurable } from './events.ts'

/**
 * Why a place has not kept a record. `later`: it is out of reach, out of room or out of order. `full`: it answered that
 * there is no room for it. `refused`: it takes others, and fails for this one alone. `unreadable`: no place could give it
 * back.
 */
type Missing = 'later' | 'full' | 'refused' | 'unreadable'

/** What became of a batch at one place: a store, a sink or a spool. */
export interface Placement {
  readonly kept: ReadonlySet<string>
  /** By the ids of those that it has not kept. */
  readonly missing: ReadonlyMap<string, Missing>
  /** It took something, or nothing was wrong; not where its answer leaves records out. */
  readonly works: boolean
  /** The last failure. */
  readonly error: unknown
}

/** Where a batch is to be kept. */
interface Place {
  readonly at: Pick<DeadLetterSink, 'add'>
  readonly where: 'store' | 'spool' | 'sink'
  /** The sink that it is for. */
  readonly sink?: string | undefined
  readonly timeoutMs: number
}

/** Adds a batch to a place, and tells what of it is durable. Never rejects. */
export async function place(
  records: readonly DeadLetterRecord[],
  { at, where, sink, timeoutMs }: Place,
): Promise<Placement> {
  const { results, bad, left, error } = await addIsolatingBad(
    async (part) =>
      checkedAnswer(
        await withTimeLimit(at.add(part), timeoutMs, `adding dead letters to the ${where}`),
        where,
      ),
    records,
    timeoutMs,
  )
  const named = new Set<string>()
  const missing = new Map<string, Missing>()
  for (const { kept, settled, refused } of results) {
    reportDurable([...kept, ...settled], where, sink)
    for (const id of [...kept, ...settled]) named.add(id)
    for (const id of refused) missing.set(id, 'full')
  }
  for (const { id } of left) missing.set(id, 'later')
  for (const record of bad) missing.set(record.id, isStorable(record) ? 'refused' : 'unreadable')
  const unnamed = records.find(({ id }) => !named.has(id) && !missing.has(id))
  const kept = new Set<string>()
  for (const { id } of records) {
    if (missing.has(id)) continue
    if (named.has(id)) kept.add(id)
    else missing.set(id, 'later')
  }
  if (unnamed !== undefined) {
    const partial = answerFault(`\`add\` of the ${where} says nothing of dead letter ${unnamed.id}`)
    return { kept, missing, works: false, error: partial }
  }
  return { kept, missing, works: error === undefined || results.length > 0, error }
}

/**
 * A sink of the user's own may answer anything.
 * @throws {TypeError} that stands for the place, not for a record
 */
function checkedAnswer(answer: AddResult, where: Place['where']): AddResult {
  const { kept, settled, refused } = (answer ?? {}) as Partial<AddResult>
  if (Array.isArray(kept) && Array.isArray(settled) && Array.isArray(refused)) return answer
  throw answerFault(
    `\`add\` of the ${where} must resolve to { kept, duplicates, settled, evicted, refused } with lists of ids, ` +
      `got ${shown(answer)}`,
  )
}

/** With the code by which it is no record's fault, so that nothing is handed over again in parts. */
function answerFault(message: string): TypeError {
  return Object.assign(new TypeError(message), { code: 'EPROTO' })
}

/** A place that was not asked: what it has not, it may have another time. */
export const notAsked: Placement = { kept: new Set(), missing: new Map(), works: false, error: undefined }

/** A place that there is not: no help for what the other one refuses. */
export function noPlace(records: readonly DeadLetterRecord[]): Placement {
  return { ...notAsked, missing: new Map(records.map(({ id }) => [id, 'refused'])) }
}

/** What is to be done about a record that neither place has: keep it in memory, or drop it with a reason. */
export function whatRemains(
  record: DeadLetterRecord,
  store: Placement,
  spool: Placement,
): 'kept' | 'waits' | 'store-full' | 'refused-by-store' {
  const { id } = record
  if (store.kept.has(id) || spool.kept.has(id)) return 'kept'
  // one that was not asked may have it another time
  const atStore = store.missing.get(id) ?? 'later'
  const inSpool = spool.missing.get(id) ?? 'later'
  if (atStore === 'unreadable' || inSpool === 'unreadable') return 'refused-by-store'
  if (atStore === 'later' || inSpool === 'later') return 'waits'
  return atStore === 'full' ? 'store-full' : 'refused-by-store'
}

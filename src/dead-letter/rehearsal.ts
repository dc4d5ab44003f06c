import { matchesFilter, summaryOf } from './filter.ts'
import { isSendable } from './lifecycle.ts'
import { DeadLetterFormatError } from './record-json.ts'
import { holdBack } from './replay-decision.ts'
import type { ReplayPlan } from './replay-options.ts'
import type { ReplayReport } from './replay-report.ts'
import { checkedTarget, ReplayRefusedError, replayRequest } from './replay-request.ts'
import { originOf, type DeadLetter } from './record.ts'
import type { DeadLetterStore } from './store.ts'

/** A dry run: walks the entries that a run would claim, and makes each request up to the point of sending it. */
export async function rehearse(
  store: DeadLetterStore,
  plan: ReplayPlan,
  report: ReplayReport,
): Promise<void> {
  for await (const id of candidates(store, plan, report)) {
    if (plan.signal?.aborted === true || report.summary.claimed >= plan.limit) return
    const entry = await read(store, id, report)
    if (entry === undefined || !isClaimable(entry, plan)) continue
    report.summary.claimed++
    await rehearseOne(entry, plan, report)
  }
}

async function read(
  store: DeadLetterStore,
  id: string,
  report: ReplayReport,
): Promise<DeadLetter | undefined> {
  try {
    return await store.get(id)
  } catch (error) {
    if (!(error instanceof DeadLetterFormatError)) throw error
    report.corrupt([{ id, message: error.message }])
    return undefined
  }
}

/** What a run would not claim it leaves as it is, and tells nothing of: another origin, no match, held, not sendable. */
function isClaimable(entry: DeadLetter, { origins, filter, ids }: ReplayPlan): boolean {
  const free = ids === undefined ? entry.status === 'pending' : !heldStatuses.has(entry.status)
  return (
    free && isSendable(entry) && origins.includes(originOf(entry)) && matchesFilter(summaryOf(entry), filter)
  )
}

const heldStatuses: ReadonlySet<string> = new Set(['leased', 'sending'])

async function* candidates(
  store: DeadLetterStore,
  plan: ReplayPlan,
  report: ReplayReport,
): AsyncGenerator<string> {
  if (plan.ids !== undefined) {
    yield* new Set(plan.ids)
    return
  }
  for (const origin of plan.origins) {
    let cursor: string | undefined
    do {
      const page = await store.list({ status: 'pending', ...plan.filter, origin, cursor, limit: 200 })
      report.corrupt(page.corrupt)
      for (const { id, dueAt, replayable } of page.items) if (replayable && dueAt <= Date.now()) yield id
      cursor = page.cursor
    } while (cursor !== undefined)
  }
}

async function rehearseOne(entry: DeadLetter, plan: ReplayPlan, report: ReplayReport): Promise<void> {
  try {
    const held = holdBack(entry, plan, Date.now())
    if (held !== undefined) return report.tell(entry, 'in_doubt', { message: held.note })
    checkedTarget(entry, plan.allowedOrigins)
    replayRequest(entry, (await plan.credentials?.(entry)) ?? {}, plan)
    report.tell(entry, 'would_send')
  } catch (error) {
    const forGood = error instanceof ReplayRefusedError && error.forGood
    const message = error instanceof Error ? error.message : String(error)
    report.tell(entry, forGood ? 'quarantined' : 'refused', { message })
  }
}

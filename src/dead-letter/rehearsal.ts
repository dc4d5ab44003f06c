import { holdBack } from './replay-decision.ts'
import type { ReplayPlan } from './replay-options.ts'
import type { ReplayReport } from './replay-report.ts'
import { checkedTarget, ReplayRefusedError, replayRequest } from './replay-request.ts'
import type { DeadLetter } from './record.ts'
import type { DeadLetterStore } from './store.ts'

/** A dry run: walks the entries that a run would claim, and makes each request up to the point of sending it. */
export async function rehearse(
  store: DeadLetterStore,
  plan: ReplayPlan,
  report: ReplayReport,
): Promise<void> {
  for await (const id of candidates(store, plan, report)) {
    if (plan.signal?.aborted === true || report.summary.claimed >= plan.limit) return
    const entry = await store.get(id)
    if (entry === undefined) continue
    report.summary.claimed++
    await rehearseOne(entry, plan, report)
  }
}

async function* candidates(
  store: DeadLetterStore,
  plan: ReplayPlan,
  report: ReplayReport,
): AsyncGenerator<string> {
  if (plan.ids !== undefined) {
    yield* plan.ids
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
    checkedTarget(entry, plan.allowedOrigins)
    const held = holdBack(entry, plan.unknownDelivery, Date.now())
    if (held !== undefined) return report.tell(entry, 'in_doubt', { message: held.note })
    replayRequest(entry, (await plan.credentials?.(entry)) ?? {}, plan)
    report.tell(entry, 'would_send')
  } catch (error) {
    const forGood = error instanceof ReplayRefusedError && error.forGood
    const message = error instanceof Error ? error.message : String(error)
    report.tell(entry, forGood ? 'quarantined' : 'refused', { message })
  }
}

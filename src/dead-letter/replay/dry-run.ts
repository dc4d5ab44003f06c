import { setImmediate as breathe } from 'node:timers/promises'
import { originOf, type DeadLetter } from '../record/record.ts'
import { isReplayable } from '../store/lifecycle.ts'
import { matchesFilter } from '../store/query/filter.ts'
import { summaryOf } from '../store/query/summary.ts'
import type { DeadLetterStore } from '../store/store.ts'
import { wholeEntries } from '../store/whole-entries.ts'
import type { Judgement } from './entry/judgement.ts'
import { prepare } from './entry/prepare.ts'
import type { ReplayPlan } from './plan.ts'
import type { ReplayReport } from './report.ts'

/** How long it may go on without a turn of the event loop, in milliseconds: a file answers at once. */
const TURN_MS = 5

/** A dry run: walks the entries that a run would claim, and makes each request up to the point of sending it. */
export async function dryRun(store: DeadLetterStore, plan: ReplayPlan, report: ReplayReport): Promise<void> {
  let turn = performance.now()
  const ids = candidates(store, plan, report)
  for await (const entry of wholeEntries(store, ids, (bad) => report.addCorrupt([bad]))) {
    if (performance.now() - turn > TURN_MS) {
      await breathe()
      turn = performance.now()
    }
    if (plan.signal?.aborted === true || report.summary.claimed >= plan.limit) return
    if (!isClaimable(entry, plan)) continue
    report.summary.claimed++
    await tryOut(entry, plan, report)
  }
}

/** Whether a run would claim it: of an allowed origin, matching, held by nobody, and replayable. */
function isClaimable(entry: DeadLetter, { origins, filter, ids }: ReplayPlan): boolean {
  const free = ids === undefined ? entry.status === 'pending' : !claimedStatuses.has(entry.status)
  return (
    free &&
    isReplayable(entry) &&
    origins.includes(originOf(entry)) &&
    matchesFilter(summaryOf(entry), filter)
  )
}

const claimedStatuses: ReadonlySet<string> = new Set(['leased', 'sending'])

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
      if (plan.signal?.aborted === true) return
      const page = await store.list({ status: 'pending', ...plan.filter, origin, cursor, limit: 200 })
      report.addCorrupt(page.corrupt)
      for (const { id, dueAt, replayable } of page.items) if (replayable && dueAt <= Date.now()) yield id
      cursor = page.cursor
    } while (cursor !== undefined)
  }
}

/** What a circuit would answer now; it may let a probe through by the time of the run. */
function refusalOf(
  origin: string,
  { circuits }: ReplayPlan,
): { reason: 'circuit-open'; message: string } | undefined {
  const circuit = circuits?.state(origin)
  if (circuit?.state !== 'open') return undefined
  const why = circuit.override === 'isolated' ? 'isolated' : 'open'
  return { reason: 'circuit-open', message: `nothing would be sent: the circuit of ${origin} is ${why}` }
}

async function tryOut(entry: DeadLetter, plan: ReplayPlan, report: ReplayReport): Promise<void> {
  const prepared = await prepare(entry, plan)
  if (prepared.then === 'discard') {
    return report.addEntry(entry, 'discarded', { reason: 'discarded', message: 'discarded by `decide`' })
  }
  if (prepared.then === 'settle') {
    const { judgement, error } = prepared
    return report.addEntry(entry, unsentOutcome(judgement), { ...judgement, error })
  }
  const refusal = refusalOf(originOf(entry), plan)
  if (refusal !== undefined) return report.addEntry(entry, 'later', refusal)
  report.addEntry(entry, 'would-send')
}

function unsentOutcome({ settlement: { outcome } }: Judgement): 'in-doubt' | 'quarantined' | 'refused' {
  return outcome === 'in-doubt' || outcome === 'quarantined' ? outcome : 'refused'
}

import { setTimeout as wait } from 'node:timers/promises'
import { type Scheduler, systemScheduler } from '../../time/clock.ts'
import type { ClaimedDeadLetter } from '../record/record.ts'
import type { Settlement, SettleResult } from '../store/settlement.ts'
import { StoreClosedError } from '../store/store-closed.ts'
import type { DeadLetterStore } from '../store/store.ts'
import { dryRun } from './dry-run.ts'
import { judgeReplay } from './entry/decision.ts'
import type { Judgement } from './entry/judgement.ts'
import type { ReplayOutcome } from './entry/outcome.ts'
import { prepare } from './entry/prepare.ts'
import { sendReplay } from './entry/send.ts'
import { Lane, type LaneWork } from './lane.ts'
import { type OriginHold, ReplayOrigins } from './origins.ts'
import { dueOfOtherOrigins } from './other-origins.ts'
import type { ReplayPlan } from './plan.ts'
import { ReplayReport } from './report.ts'
import { setAsideEntries } from './set-aside.ts'
import type { ReplaySummary } from './summary.ts'

/** For how long a store that fails is told again that the server took an entry, in milliseconds. */
const MAX_SETTLING_MS = 120_000

/** Once the run is being ended only until the waits, which double, are longer than this: for 1.5 s in all. */
const MAX_SETTLE_WAIT_AT_END_MS = 800

/** The longest wait of a provider that a run sits out, in milliseconds. A replayer comes back instead. */
const MAX_PAUSE_MS = 30_000

/**
 * The share of a request's time that must be left when it is sent. Renewing the lease takes of it: sent with the rest, where a
 * store is slow, a request would be cut off while the server acts on it, and sent again or be in doubt.
 */
const MIN_SHARE_LEFT = 0.5

/** Refused entries that are made due together. */
const RELEASED_AT_ONCE = 100

interface RunContext {
  readonly clock: Scheduler
  /** What is known of the origins from the runs before. */
  readonly origins: ReplayOrigins
  /** One of many by itself: it keeps the waits of the runs before, and sits out none. */
  readonly scheduled: boolean
  /** Whether to look for entries that it leaves alone: set aside, or due of other origins. */
  readonly countsOthers: boolean
}

/** What is known of origins, by the store whose entries go there, and the integration where one is filtered for. */
const knownOrigins = new WeakMap<DeadLetterStore, Map<string | undefined, ReplayOrigins>>()

/** A run of one integration has an account of its own: another's limits and refused credentials are not its. */
export function originsOf(store: DeadLetterStore, { filter }: Pick<ReplayPlan, 'filter'>): ReplayOrigins {
  let known = knownOrigins.get(store)
  if (known === undefined) knownOrigins.set(store, (known = new Map<string | undefined, ReplayOrigins>()))
  let origins = known.get(filter.integration)
  if (origins === undefined) known.set(filter.integration, (origins = new ReplayOrigins(systemScheduler)))
  return origins
}

/** One run over the entries that are due now. */
export async function runPlan(
  store: DeadLetterStore,
  plan: ReplayPlan,
  context: Partial<RunContext> = {},
): Promise<ReplaySummary> {
  const report = new ReplayReport(plan)
  const { clock = systemScheduler, scheduled = false, countsOthers = true } = context
  const { origins = originsOf(store, plan) } = context
  if (countsOthers && plan.ids === undefined && plan.filter.status === undefined) {
    report.setAside(await setAsideEntries(store, plan))
  }
  if (plan.dryRun) await dryRun(store, plan, report)
  else await new ReplayRun(store, plan, report, { clock, origins, scheduled, countsOthers }).run()
  const cancelled = plan.signal?.aborted === true
  if (countsOthers && !cancelled && plan.ids === undefined && plan.filter.origin === undefined) {
    report.otherOrigins(await dueOfOtherOrigins(store, plan, Date.now()))
  }
  return report.finish(cancelled)
}

const neverAborted = new AbortController().signal

class ReplayRun implements LaneWork {
  readonly #store: DeadLetterStore
  readonly #plan: ReplayPlan
  readonly #report: ReplayReport
  readonly #context: RunContext
  readonly #signal: AbortSignal
  /** Of `limit`, what is claimed or being claimed. */
  #taken = 0
  readonly #claimedByIds = new Set<string>()
  /** For these something is missing: they wait for a backoff, or this run would meet them again and again. */
  readonly #refused = new Set<string>()

  constructor(store: DeadLetterStore, plan: ReplayPlan, report: ReplayReport, context: RunContext) {
    this.#store = store
    this.#plan = plan
    this.#report = report
    this.#context = context
    this.#signal = plan.signal ?? neverAborted
  }

  async run(): Promise<void> {
    const { origins, scheduled } = this.#context
    const { summary } = this.#report
    if (!scheduled) origins.forgetOwnWaits(this.#plan.origins)
    const about = { ...this.#context, signal: this.#signal, maxPauseMs: scheduled ? 0 : MAX_PAUSE_MS }
    const lanes = this.#plan.origins.map((origin) => new Lane(origin, this.#plan, about, this))
    for (let before = -1; before !== summary.claimed && !this.#signal.aborted;) {
      before = summary.claimed
      // an entry of one origin may have held up another's, by their ordering key: once more, until nothing is left
      const results = await Promise.allSettled(lanes.filter(({ over }) => !over).map((lane) => lane.run()))
      const failed = results.find((result) => result.status === 'rejected')
      if (failed !== undefined) throw failed.reason
    }
    if (!scheduled) await this.#releaseRefused()
    summary.leftAlone = this.#plan.origins
      .map((origin) => origins.leftAlone(origin))
      .filter((alone) => alone !== undefined)
      .map(({ origin, reason, message, afterMs }) => ({
        origin,
        reason,
        message,
        afterMs: Math.ceil(afterMs),
      }))
  }

  /** Claims further entries of an origin. */
  async claim(origin: string, limit: number): Promise<ClaimedDeadLetter[]> {
    const { filter, ids, leaseMs, maxReplays, lapseDelayMs } = this.#plan
    // by id once: an entry that comes back "again" would be claimed anew, due or not
    if (ids !== undefined && this.#claimedByIds.has(origin)) return []
    const most = Math.min(ids?.length || limit, 1000, this.#plan.limit - this.#taken)
    if (most < 1) return []
    if (ids !== undefined) this.#claimedByIds.add(origin)
    this.#taken += most
    const claim = { limit: most, leaseMs, maxReplays, lapseDelayMs, filter: { ...filter, origin }, ids }
    const { items, corrupt } = await this.#store.claim(claim)
    this.#taken -= most - items.length
    this.#report.addCorrupt(corrupt)
    this.#report.summary.claimed += items.length
    // what could not be read is out of the way: there may be others behind it
    return items.length === 0 && corrupt.length > 0 ? this.claim(origin, limit) : items
  }

  async turn(entry: ClaimedDeadLetter): Promise<'taken' | 'end' | undefined> {
    const prepared = await prepare(entry, this.#plan)
    if (prepared.then === 'discard') {
      await this.#discard(entry)
      return undefined
    }
    if (prepared.then === 'settle') {
      await this.#settle(entry, prepared.judgement, { error: prepared.error })
      if (prepared.judgement.reason === 'missing') this.#refused.add(entry.id)
      return undefined
    }
    this.#refused.delete(entry.id)
    const { request } = prepared
    const { origins } = this.#context
    const { origin } = request.url
    const asked = performance.now()
    if (!(await this.#store.renew(entry.id, entry.fence, this.#plan.leaseMs))) {
      this.#report.addEntry(entry, 'skipped', { message: 'gone, or taken over' })
      return undefined
    }
    // hooks and stores take their time: the origin may have failed others meanwhile
    const alone = origins.leftAlone(origin)
    // The lease may count from when its renewal was sent: the request must end within what is left of it.
    const { timeoutMs } = this.#plan
    const left = timeoutMs - (performance.now() - asked)
    if (alone !== undefined) {
      await this.giveBack(entry, alone)
      return undefined
    }
    if (left < timeoutMs * MIN_SHARE_LEFT) {
      // not at once: this run would meet the same store
      await this.#store.settle(entry.id, entry.fence, { outcome: 'later', delayMs: timeoutMs })
      this.#report.addEntry(entry, 'skipped', { message: 'the store took too long to renew its lease' })
      return undefined
    }
    const at = Date.now()
    const began = performance.now()
    const outcome = await sendReplay(entry, request, this.#plan, left)
    const outageWaitMs = origins.outageWaitMs(origin, entry, this.#plan)
    const facts = {
      at,
      ms: performance.now() - began,
      now: Date.now(),
      random: Math.random(),
      ownFailure: origins.isOwnFailure(entry, origin),
      outageWaitMs,
      lacks: request.lacks,
    }
    const judgement = judgeReplay(entry, outcome, facts, this.#plan)
    if (hasLeft(outcome)) this.#report.summary.sent++
    const ends = origins.hear(origin, judgement.origin, judgement.message ?? '', this.#plan)
    const { leaseMs, lapseDelayMs } = this.#plan
    const until = asked + Math.min(leaseMs + lapseDelayMs, MAX_SETTLING_MS)
    await this.#settle(entry, judgement, { outcome, until })
    return judgement.settlement.outcome === 'done' ? 'taken' : ends ? 'end' : undefined
  }

  /** Nothing was sent. Of a provider that wants to be asked later it is due exactly then. */
  async giveBack(entry: ClaimedDeadLetter, alone: OriginHold | undefined): Promise<void> {
    const delayMs = Math.ceil(alone?.askedMs ?? 0)
    await this.#store.settle(entry.id, entry.fence, { outcome: 'later', delayMs })
    if (alone === undefined) this.#report.addEntry(entry, 'skipped', { message: 'not its turn any more' })
    else {
      this.#report.addEntry(entry, 'later', { reason: alone.reason, message: `left alone: ${alone.message}` })
    }
  }

  /**
   * Who starts a run knows when, and may have what was missing the next time: it is due then. A scheduled run would come back to it
   * twice a second.
   */
  async #releaseRefused(): Promise<void> {
    const { leaseMs, maxReplays, lapseDelayMs } = this.#plan
    const ids = [...this.#refused]
    try {
      for (let at = 0; at < ids.length && !this.#signal.aborted; at += RELEASED_AT_ONCE) {
        const some = ids.slice(at, at + RELEASED_AT_ONCE)
        const claim = { ids: some, limit: some.length, leaseMs, maxReplays, lapseDelayMs }
        const { items } = await this.#store.claim(claim)
        const later = { outcome: 'later', delayMs: 0 } as const
        await Promise.all(items.map(({ id, fence }) => this.#store.settle(id, fence, later)))
      }
    } catch (error) {
      // the run has done its work, and they come back by themselves
      this.#report.settleFailed(error)
    }
  }

  async #discard(entry: ClaimedDeadLetter): Promise<void> {
    const count = await this.#store.discard([entry.id])
    if (count === 0) this.#report.addEntry(entry, 'skipped', { message: 'gone, or taken over' })
    else this.#report.addEntry(entry, 'discarded', { reason: 'discarded', message: 'discarded by `decide`' })
  }

  async #settle(
    entry: ClaimedDeadLetter,
    { settlement, reason, message }: Judgement,
    { outcome, until = 0, error }: { outcome?: ReplayOutcome; until?: number; error?: unknown },
  ): Promise<void> {
    const result = await this.#write(entry, settlement, until)
    const statusCode = outcome?.kind === 'response' ? outcome.statusCode : undefined
    const counted = countedAs(settlement, result)
    const refused = counted === 'later' && reason === 'missing'
    this.#report.addEntry(entry, refused ? 'refused' : counted, { statusCode, reason, message, error })
  }

  /**
   * Only this process knows that the server took it: while nobody else may send it, a store that fails is told again.
   */
  async #write(entry: ClaimedDeadLetter, settlement: Settlement, until: number): Promise<SettleResult> {
    for (let waitMs = 50; ; waitMs = Math.min(waitMs * 2, 1000)) {
      try {
        return await this.#store.settle(entry.id, entry.fence, settlement)
      } catch (error) {
        const mayHelp = settlement.outcome === 'done' && !(error instanceof StoreClosedError)
        const left = until - performance.now() - waitMs
        // a process that ends the run has little time left
        if (!mayHelp || left < 0 || (this.#signal.aborted && waitMs > MAX_SETTLE_WAIT_AT_END_MS)) throw error
        if (waitMs === 50) this.#report.settleFailed(error)
        await wait(waitMs)
      }
    }
  }
}

/** Whether a request left, as far as is known. */
function hasLeft(outcome: ReplayOutcome): boolean {
  return outcome.kind === 'response' || (outcome.kind === 'error' && outcome.delivery !== 'not-sent')
}

function countedAs(
  settlement: Settlement,
  result: SettleResult,
): 'done' | 'failed' | 'later' | 'quarantined' | 'in-doubt' | 'skipped' {
  if (result === 'quarantined' || result === 'in-doubt') return result
  // the server has taken it, though somebody else may have settled the entry meanwhile
  if (settlement.outcome === 'done') return 'done'
  if (result !== 'again') return 'skipped'
  return settlement.outcome === 'later' ? 'later' : 'failed'
}

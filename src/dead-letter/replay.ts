import { setTimeout as sleep } from 'node:timers/promises'
import { Pace } from './pace.ts'
import type { ClaimedDeadLetter, DeadLetterReplay } from './record.ts'
import { rehearse } from './rehearsal.ts'
import { holdBack, replayDelay, type ReplayOutcome, settleReplay } from './replay-decision.ts'
import { type ReplayOptions, type ReplayPlan, resolveReplayOptions } from './replay-options.ts'
import { ReplayOrigins } from './replay-origins.ts'
import { ReplayReport } from './replay-report.ts'
import type { ReplaySummary } from './replay-summary.ts'
import { checkedTarget, ReplayRefusedError, replayRequest, type ReplayRequest } from './replay-request.ts'
import { sendReplay } from './replay-send.ts'
import { StoreClosedError } from './store-closed.ts'
import type { DeadLetterStore, Settlement, SettleResult } from './store.ts'

export type { ReplayOptions, ReplayProgress } from './replay-options.ts'
export type { ReplaySummary } from './replay-summary.ts'
export type { ReplayCredentials } from './replay-request.ts'

/** The longest that the store is asked again to note what the server took, in milliseconds. */
const MAX_RETELL_MS = 120_000

/** When the run is being ended, it is asked until the waits, which double, are longer than this: for 1.5 s in all. */
const MAX_WAIT_AT_END_MS = 800

/** The longest that a `Retry-After` holds up a whole run, in milliseconds. */
const MAX_HOLD_MS = 30_000

/**
 * Sends dead letters again, each at most once at a time over all replayers of the store. Credentials are attached anew,
 * only for `allowedOrigins`. An entry that the server takes is removed; one that fails comes back after a backoff, until
 * `maxReplays` are used up. At least once: a repeatable entry may be sent again when a replayer was lost while sending.
 *
 * @returns what was done; it rejects only for bad options and when the store fails
 * @throws TypeError, RangeError naming option, bound and value
 * @example
 * const summary = await replayDeadLetters(stack.deadLetters, {
 *   allowedOrigins: ['https://api.hubapi.com'],
 *   credentials: () => ({ authorization: `Bearer ${token}` }),
 *   filter: { reason: 'breaker_open' },
 * })
 */
export async function replayDeadLetters(
  deadLetters: DeadLetterStore,
  options: ReplayOptions,
): Promise<ReplaySummary> {
  return runReplay(deadLetters, resolveReplayOptions(options))
}

export async function runReplay(store: DeadLetterStore, plan: ReplayPlan): Promise<ReplaySummary> {
  const report = new ReplayReport(plan)
  if (plan.dryRun) await rehearse(store, plan, report)
  else await new ReplayRun(store, plan, report).run()
  return report.finish(plan.signal?.aborted === true)
}

const never = new AbortController().signal

/** One run over the entries that are due now. */
class ReplayRun {
  readonly #store: DeadLetterStore
  readonly #plan: ReplayPlan
  readonly #report: ReplayReport
  readonly #pace: Pace
  readonly #signal: AbortSignal
  readonly #origins: ReplayOrigins
  #claiming: Promise<boolean> | undefined
  /** Turns being taken, and who waits for the end of one. */
  #turns = 0
  readonly #waiting: (() => void)[] = []
  #held: ClaimedDeadLetter[] = []

  constructor(store: DeadLetterStore, plan: ReplayPlan, report: ReplayReport) {
    this.#store = store
    this.#plan = plan
    this.#report = report
    this.#pace = new Pace(plan.ratePerSecond)
    this.#signal = plan.signal ?? never
    this.#origins = new ReplayOrigins(plan.origins)
  }

  async run(): Promise<void> {
    const workers = Array.from({ length: this.#plan.concurrency }, () => this.#work())
    const results = await Promise.allSettled(workers)
    const failed = results.find((result) => result.status === 'rejected')
    // the store is away: what is held lapses by itself
    if (failed !== undefined) throw failed.reason
    for (const entry of this.#held.splice(0)) await this.#giveBack(entry)
  }

  async #work(): Promise<void> {
    while (!this.#signal.aborted) {
      const entry = await this.#next()
      if (entry === undefined) return
      this.#turns++
      try {
        await this.#turn(entry)
      } finally {
        this.#turns--
        for (const wake of this.#waiting.splice(0)) wake()
      }
    }
  }

  /** One claim at a time, of no more than can be sent soon: what is held long lapses. */
  async #next(): Promise<ClaimedDeadLetter | undefined> {
    for (;;) {
      const entry = this.#held.shift()
      if (entry !== undefined) return entry
      if (this.#signal.aborted) return undefined
      if (this.#claiming === undefined)
        this.#claiming = this.#claim().finally(() => (this.#claiming = undefined))
      if ((await this.#claiming) || this.#held.length > 0) continue
      if (this.#turns === 0) return undefined
      // the end of a turn may free the follower of its ordering key, or bring its own entry back
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }

  /** Whether there was something. */
  async #claim(): Promise<boolean> {
    const { filter, ids, leaseMs, maxReplays, lapseDelayMs, concurrency, limit } = this.#plan
    const { summary } = this.#report
    for (const origin of this.#origins.left) {
      const most = Math.min(ids?.length || concurrency, 1000, limit - summary.claimed)
      if (most < 1) return false
      const claim = { limit: most, leaseMs, maxReplays, lapseDelayMs, filter: { ...filter, origin }, ids }
      const { items, corrupt } = await this.#store.claim(claim)
      // by id once: an entry that comes back "again" would be claimed anew, due or not
      if (ids !== undefined) this.#origins.end(origin)
      this.#report.corrupt(corrupt)
      summary.claimed += items.length
      this.#held.push(...items)
      if (items.length > 0 || corrupt.length > 0) return true
    }
    return false
  }

  async #turn(entry: ClaimedDeadLetter): Promise<void> {
    if (!(await this.#pace.turn(this.#signal))) return this.#giveBack(entry)
    const held = holdBack(entry, this.#plan, Date.now())
    if (held !== undefined) return this.#settle(entry, held)
    const request = await this.#prepare(entry).catch((error: unknown) => this.#refuse(entry, error))
    if (request === undefined) return
    if (this.#origins.isAway(request.url.origin)) return this.#giveBack(entry)
    const asked = performance.now()
    if (!(await this.#store.renew(entry.id, entry.fence, this.#plan.leaseMs))) {
      this.#report.tell(entry, 'skipped', { message: 'discarded, or taken over' })
      return
    }
    // The lease may have begun as early as the question: what is left of it bounds the request.
    const left = this.#plan.timeoutMs - (performance.now() - asked)
    if (left < 1) return this.#giveBack(entry)
    const at = Date.now()
    const began = performance.now()
    this.#report.summary.sent++
    const outcome = await sendReplay(entry, request, this.#plan.dispatcher, left)
    this.#origins.watch(request.url.origin, outcome)
    if (outcome.kind === 'response' && outcome.statusCode === 429) {
      this.#pace.hold(Math.min(outcome.retryAfterMs ?? 0, MAX_HOLD_MS))
    }
    const timing = { at, ms: performance.now() - began, random: Math.random() }
    const settlement = settleReplay(entry, outcome, timing, this.#plan)
    const { leaseMs, lapseDelayMs } = this.#plan
    await this.#settle(entry, settlement, outcome, asked + Math.min(leaseMs + lapseDelayMs, MAX_RETELL_MS))
  }

  /** Credentials are asked for only when the entry's origin was found to be allowed. */
  async #prepare(entry: ClaimedDeadLetter): Promise<ReplayRequest> {
    checkedTarget(entry, this.#plan.allowedOrigins)
    return replayRequest(entry, (await this.#plan.credentials?.(entry)) ?? {}, this.#plan)
  }

  async #refuse(entry: ClaimedDeadLetter, error: unknown): Promise<undefined> {
    const message = error instanceof Error ? error.message : String(error)
    if (error instanceof ReplayRefusedError && error.forGood) {
      const replay: DeadLetterReplay = { at: Date.now(), outcome: 'refused' }
      await this.#settle(entry, { outcome: 'quarantined', replay, note: message })
      return undefined
    }
    const delayMs = replayDelay(this.#plan, entry.replayCount, Math.random())
    await this.#store.settle(entry.id, entry.fence, { outcome: 'later', delayMs })
    this.#report.tell(entry, 'refused', { message, error })
    return undefined
  }

  async #giveBack(entry: ClaimedDeadLetter): Promise<void> {
    await this.#store.settle(entry.id, entry.fence, { outcome: 'later', delayMs: 0 })
    this.#report.tell(entry, 'skipped', { message: 'not its turn any more' })
  }

  async #settle(
    entry: ClaimedDeadLetter,
    settlement: Settlement,
    outcome?: ReplayOutcome,
    until = 0,
  ): Promise<void> {
    const result = await this.#write(entry, settlement, until)
    const statusCode = outcome?.kind === 'response' ? outcome.statusCode : undefined
    const message =
      'note' in settlement ? settlement.note : outcome?.kind === 'error' ? outcome.code : undefined
    this.#report.tell(entry, countedAs(settlement, result), { statusCode, message })
  }

  /** That the server took it is known here alone: while nobody else may send it, a store that is away is asked again. */
  async #write(entry: ClaimedDeadLetter, settlement: Settlement, until: number): Promise<SettleResult> {
    for (let waitMs = 50; ; waitMs = Math.min(waitMs * 2, 1000)) {
      try {
        return await this.#store.settle(entry.id, entry.fence, settlement)
      } catch (error) {
        const mayHelp = settlement.outcome === 'done' && !(error instanceof StoreClosedError)
        const left = until - performance.now() - waitMs
        // whoever ends the run has not got long
        if (!mayHelp || left < 0 || (this.#signal.aborted && waitMs > MAX_WAIT_AT_END_MS)) throw error
        if (waitMs === 50) this.#report.cannotTell(error)
        await sleep(waitMs)
      }
    }
  }
}

function countedAs(
  settlement: Settlement,
  result: SettleResult,
): 'done' | 'failed' | 'later' | 'quarantined' | 'in_doubt' | 'skipped' {
  if (result === 'quarantined' || result === 'in_doubt') return result
  // the server has taken it, though somebody else may have settled the entry meanwhile
  if (settlement.outcome === 'done') return 'done'
  if (result !== 'again') return 'skipped'
  return settlement.outcome === 'later' ? 'later' : 'failed'
}

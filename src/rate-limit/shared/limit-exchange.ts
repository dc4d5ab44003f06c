import type { Scheduler } from '../../time/clock.ts'
import { Strain } from '../../time/strain.ts'
import type { LimitRule, Wanted } from '../limit.ts'
import type { SlidingWindow } from '../sliding-window.ts'
import type { LimitReply, LimitRequest } from './backend.ts'
import { lowWater } from './demand.ts'
import type { LoneMode } from './lone/lone-mode.ts'
import type { LastHeard } from './lone/lone-share.ts'
import { Outage } from './lone/outage.ts'
import type { NextExchange } from './next-exchange.ts'
import type { Permits } from './permits.ts'
import { ServerMemory } from './server-memory.ts'
import type { Tally } from './tally.ts'
import { Wants } from './wants.ts'

/** An exchange that takes longer says that the store does not keep up, in milliseconds. */
const SLOW_MS = 100
/** Background calls ask no more often than this: they never hurry. In milliseconds. */
const BACKGROUND_MS = 50

/** Who leaves asks for nothing. */
const nothing = { live: 0, background: 0, spare: 0 }

/** What a process has of a limit, and has used of it: what its exchanges with the store are about. */
interface LimitFacts {
  readonly by: string
  readonly id: string
  readonly name: string
  readonly rule: LimitRule
  readonly permits: Permits
  readonly tally: Tally
  readonly history: SlidingWindow
  readonly lone: LoneMode
  /** When the next one is due. */
  readonly next: NextExchange
}

/** What a limit and its store tell each other: what was used and is wanted, and what is granted; and when. */
export class LimitExchange {
  readonly #facts: LimitFacts
  readonly #permits: Permits
  /** Permits came, or the limit goes on by itself: calls may go. */
  readonly #changed: () => void
  readonly #scheduler: Scheduler
  readonly #wants: Wants
  readonly #memory = new ServerMemory()
  readonly #strain: Strain
  readonly #outage: Outage
  readonly #next: NextExchange
  /** What the provider counts, where that is more than was known. */
  providerUsed: number | undefined
  /** Units used by all in the window, when the server was last heard. */
  usedByAll = 0
  /** When it is worth asking again. */
  retryAt = 0
  /** When the last exchange was over. */
  settledAt = -Infinity
  #sequence: number
  #closed = false

  constructor(facts: LimitFacts, changed: () => void, scheduler: Scheduler) {
    this.#facts = facts
    this.#permits = facts.permits
    this.#changed = changed
    this.#scheduler = scheduler
    const now = scheduler.now()
    // higher than that of one which was forgotten: the server still knows it
    this.#sequence = Math.floor(now * 1_000)
    this.#wants = new Wants(facts.rule, facts.tally, now)
    this.#strain = new Strain(scheduler, SLOW_MS)
    this.#outage = new Outage(scheduler, this.#strain)
    this.#next = facts.next
  }

  /** What was used is told: later while the store is strained, but before the lease is over. */
  tellLater(): void {
    const { reportMs, leaseMs } = this.#wants.rhythm
    this.#later(Math.min(this.#strain.pauseMs(reportMs), Math.max(reportMs, leaseMs * 0.4)))
  }

  want(live: Wanted, background: Wanted): void {
    this.#wants.live = live
    this.#wants.background = background
    if (this.#isAlone || !this.#wants.waits) return
    const now = this.#scheduler.now()
    if (this.#next.underWay) this.#next.afterThis()
    else if (this.retryAt > now) this.#later(this.retryAt - now + this.#scheduler.random() * 3)
    else if (this.#wants.missing(this.#permits) > 0) this.#next.now()
  }

  close(): void {
    this.#closed = true
    this.#next.close()
  }

  /** What all wait for may have come free, or be needed by others. */
  heard(kind: 'new' | 'scarce'): void {
    if (kind === 'new') {
      if (this.#memory.isNews(this.#scheduler.now())) this.#next.now()
    } else if (!this.#wants.scarce) {
      this.#wants.scarce = true
      if (this.#permits.units > 0) this.#next.now()
    }
  }

  /** What was pushed may have been missed: that the server has lost what it knew, too. */
  subscribed(): void {
    if (this.#memory.isKnown && this.#facts.history.used(this.#scheduler.now()) > 0) this.#next.now()
  }

  /** Commands can be sent again. */
  reconnected(): void {
    if (this.#isAlone || this.#outage.isFeared) this.#next.now()
  }

  /** The request of an exchange that begins now; `undefined` while another one is under way. */
  request(leaving = false): LimitRequest | undefined {
    if (this.#next.underWay || (this.#closed && !leaving)) return undefined
    const now = this.#scheduler.now()
    this.#next.begun()
    const { by, id, name, rule, permits, tally, history } = this.#facts
    const wants = this.#wants
    wants.measure(now)
    permits.lapse(now)
    const stock = wants.stock(now)
    // given back by stating less
    if (leaving || wants.starved) permits.hold(0, 0)
    else if (wants.live.all === 0 && permits.units > stock) permits.hold(stock, permits.background)
    tally.tell()
    const { limit, windowMs, reserved } = rule
    return {
      by,
      id,
      name,
      limit,
      windowMs,
      sequence: ++this.#sequence,
      used: tally.used,
      usedKnown: tally.usedKnown,
      returned: tally.returned,
      returnedKnown: tally.returnedKnown,
      held: permits.units,
      ...wants.told(permits, now),
      ...(leaving ? nothing : {}),
      reserved,
      ...this.#memory.told(history, now),
      providerUsed: this.providerUsed,
    }
  }

  /** @param sentAt when the request was made: permits are timed from before it was asked */
  answered(request: LimitRequest, reply: LimitReply, sentAt: number): void {
    this.#next.ended()
    const now = this.#scheduler.now()
    this.#outage.answered(now - sentAt)
    this.#facts.tally.heard(request)
    if (this.#closed) return
    this.settledAt = now
    if (reply.status === 'stale') {
      this.tellLater()
      return
    }
    this.providerUsed = undefined
    this.#memory.heard(request, reply, now)
    const { processes, profile } = reply
    if (reply.holdMs > 0) this.#heldBack(reply, { at: sentAt, processes, profile }, now)
    else {
      this.#facts.lone.end({ at: sentAt, processes, profile }, now)
      this.#granted(request, reply, sentAt, now)
    }
  }

  failed(sentAt: number): void {
    this.#next.ended()
    if (this.#closed) return
    const now = this.#scheduler.now()
    this.settledAt = now
    const { lasts, retryMs } = this.#outage.failed(sentAt, now)
    if (lasts && !this.#isAlone) {
      this.#facts.lone.begin(now)
      this.#withoutPermits()
    }
    // also where the server holds all back and each goes on with its share: what it uses must be told before that ends
    this.#later(retryMs)
  }

  /** The server has lost what it knew: shares hold until all have told theirs. */
  #heldBack({ holdMs }: LimitReply, heard: LastHeard, now: number): void {
    const wasAlone = this.#isAlone
    this.#facts.lone.held(heard, now)
    if (!wasAlone) this.#withoutPermits()
    this.#later(this.#memory.isLost ? 1 : Math.min(holdMs, 200 + this.#scheduler.random() * 200))
  }

  #withoutPermits(): void {
    this.#permits.hold(0, 0)
    this.#wants.unheard()
    this.#changed()
  }

  #granted(request: LimitRequest, reply: LimitReply, sentAt: number, now: number): void {
    const permits = this.#permits
    const usedMeanwhile = request.held - permits.units
    const held = reply.kept + reply.live + reply.background + reply.spare - usedMeanwhile
    permits.hold(held, permits.background + reply.background)
    permits.leased(sentAt, request.leaseMs)
    this.usedByAll = reply.used
    this.retryAt = reply.retryInMs === undefined ? 0 : now + Math.max(2, reply.retryInMs)
    this.#wants.heard(request, reply, permits.units)
    permits.lowWater = lowWater(this.#wants.stock(now))
    this.#changed()
    this.#plan(now, request.leaseMs)
  }

  /** @param leaseMs how long what is held now is valid: the rhythm may have changed since it was asked for */
  #plan(now: number, leaseMs: number): void {
    const { units } = this.#permits
    const wants = this.#wants
    const blockedMs = wants.waits ? this.retryAt - now : 0
    if (this.#memory.isLost) this.#next.now()
    else if (blockedMs > 0) this.#later(blockedMs + this.#scheduler.random() * 3)
    else if (this.#next.again && wants.missing(this.#permits) > 0) this.#next.now()
    else if (this.#facts.tally.hasNews || units > wants.stock(now)) this.tellLater()
    else if (units > 0) this.#later(leaseMs * 0.4)
  }

  /** Permits are low. */
  ask(now: number): void {
    if (this.#permits.units === 0 && this.retryAt > now && !this.#next.underWay) {
      this.#later(this.retryAt - now)
    } else this.#next.now()
  }

  #later(ms: number): void {
    this.#next.in(this.#wants.isPatient ? Math.max(ms, BACKGROUND_MS) : ms)
  }

  get #isAlone(): boolean {
    return this.#facts.lone.share !== undefined
  }
}

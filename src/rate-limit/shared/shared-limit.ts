import type { Scheduler } from '../../time/clock.ts'
import { Strain } from '../../time/strain.ts'
import type { Limit, LimitRule, LimitState, Wanted } from '../limit.ts'
import { SlidingWindow } from '../sliding-window.ts'
import type { LimitReply, LimitRequest } from './backend.ts'
import { LoneMode } from './lone/lone-mode.ts'
import type { LastHeard } from './lone/lone-share.ts'
import { Outage } from './lone/outage.ts'
import { NextExchange } from './next-exchange.ts'
import { Permits } from './permits.ts'
import { ServerMemory } from './server-memory.ts'
import { Tally } from './tally.ts'
import { Wants } from './wants.ts'

/** An exchange that takes longer says that the store does not keep up, in milliseconds. */
const SLOW_MS = 100
/** Background calls ask no more often than this: they never hurry. In milliseconds. */
const BACKGROUND_MS = 50
/** So long after the last exchange the lease is over, and the server counts anew from what is told: longer than any lease. */
const LEASE_OVER_MS = 15_000

/** Who leaves asks for nothing. */
const nothing = { live: 0, background: 0, spare: 0 }

/** What a shared limit asks of the store around it. */
export interface SharedLimitHost {
  readonly by: string
  /** Makes an exchange in this turn of the event loop, together with those of other limits. */
  exchangeSoon(limit: SharedLimit): void
  /** Permits came, or the limit goes on by itself: calls may go. */
  changed(limit: SharedLimit): void
  closed(limit: SharedLimit): void
}

/**
 * A limit that processes share, as one of them sees it: permits are held ahead of use, so that a call that finds one goes
 * without asking. While the store is out of reach it goes on with an even share of the limit. This is what calls ask of it,
 * and the exchanges with the store.
 */
export class SharedLimit implements Limit {
  readonly rule: LimitRule
  readonly id: string
  readonly name: string
  readonly #host: SharedLimitHost
  readonly #scheduler: Scheduler
  /** What this process used: for a server that has lost what it knew, and for its share. */
  readonly #history: SlidingWindow
  readonly #lone: LoneMode
  readonly #permits = new Permits()
  readonly #tally = new Tally()
  readonly #wants: Wants
  readonly #memory = new ServerMemory()
  readonly #strain: Strain
  readonly #outage: Outage
  readonly #next: NextExchange
  #sequence: number
  #settledAt = -Infinity
  #providerUsed: number | undefined
  /** Units used by all in the window, when the server was last heard. */
  #usedByAll = 0
  #retryAt = 0
  #closed = false

  constructor(
    { id, name, rule, processes }: { id: string; name: string; rule: LimitRule; processes: number },
    host: SharedLimitHost,
    scheduler: Scheduler,
  ) {
    this.id = id
    this.name = name
    this.rule = rule
    this.#host = host
    this.#scheduler = scheduler
    const now = scheduler.now()
    // higher than that of one which was forgotten: the server still knows it
    this.#sequence = Math.floor(now * 1_000)
    this.#history = new SlidingWindow(rule.windowMs)
    this.#lone = new LoneMode(rule, this.#history, processes, now)
    this.#wants = new Wants(rule, now)
    this.#strain = new Strain(scheduler, SLOW_MS)
    this.#outage = new Outage(scheduler, this.#strain)
    this.#next = new NextExchange(scheduler, () => host.exchangeSoon(this))
  }

  get degraded(): boolean {
    return this.#lone.share !== undefined
  }

  get processes(): number {
    return this.#lone.processes
  }

  fits(units: number, now: number, _lined: boolean, background: boolean): boolean {
    const { share } = this.#lone
    return share === undefined
      ? this.#permits.fits(units, now, background)
      : share.fits(units, now, background)
  }

  take(units: number, now: number, background: boolean): void {
    this.#use(units, now)
    if (this.#lone.share !== undefined) {
      this.#lone.share.add(units, now)
      return
    }
    this.#permits.take(units, background)
    if (this.#permits.units < this.#wants.lowWater) this.#ask(now)
    else if (!this.#next.isDue) this.#tellLater()
  }

  giveBack(units: number, at: number, now: number): void {
    this.#history.remove(units, at, now)
    if (this.#lone.share !== undefined) this.#lone.share.remove(units, at, now)
    else if (this.#tally.unused(units) === 'never-told') this.#permits.giveBack(units, now)
    else if (now - at < this.rule.windowMs / 2) {
      this.#tally.returned += units
      this.#tellLater()
    }
  }

  charge(units: number, now: number): void {
    this.#use(units, now)
    if (this.#lone.share !== undefined) this.#lone.share.add(units, now)
    else this.#tellLater()
  }

  hearUsed(units: number, _now: number): void {
    if (units > this.#usedByAll) this.#providerUsed = Math.max(this.#providerUsed ?? 0, Math.ceil(units))
  }

  knownWait(units: number, now: number): number {
    const { limit, windowMs } = this.rule
    const windows = Math.floor((units - 1) / limit) * windowMs
    const { share } = this.#lone
    if (share !== undefined) return Math.max(0, share.freeAt(units, now) - now)
    return Math.max(windows, this.#permits.units >= units ? 0 : this.#retryAt - now, 0)
  }

  retryAt(units: number, now: number): number {
    return this.#lone.share?.freeAt(units, now) ?? Infinity
  }

  want(live: Wanted, background: Wanted): void {
    this.#wants.live = live
    this.#wants.background = background
    if (this.degraded || !this.#wants.waits) return
    const now = this.#scheduler.now()
    if (this.#next.underWay) this.#next.afterThis()
    else if (this.#retryAt > now) this.#later(this.#retryAt - now + this.#scheduler.random() * 3)
    else if (this.#wants.missing(this.#permits) > 0) this.#next.now()
  }

  available(now: number): number {
    const { share } = this.#lone
    return share === undefined ? this.#permits.valid(now) : Math.max(0, this.rule.limit - share.used(now))
  }

  state(now: number): LimitState {
    const { limit, intervalMs } = this.rule
    const { used, usedKnown } = this.#tally
    return {
      limit,
      intervalMs,
      used: this.#lone.share?.used(now) ?? this.#usedByAll + used - usedKnown,
      held: this.#permits.valid(now),
    }
  }

  forgettable(now: number): boolean {
    return !this.hasNews && !this.#next.underWay && now - this.#settledAt >= LEASE_OVER_MS
  }

  close(): void {
    this.#closed = true
    this.#next.close()
    this.#host.closed(this)
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
    if (this.#memory.isKnown && this.#history.used(this.#scheduler.now()) > 0) this.#next.now()
  }

  /** Commands can be sent again. */
  reconnected(): void {
    if (this.degraded || this.#outage.isFeared) this.#next.now()
  }

  /** Whether there is anything to report, or to give back. */
  get hasNews(): boolean {
    return this.#tally.hasNews || this.#permits.units > 0
  }

  /** The request of an exchange that begins now; `undefined` while another one is under way. */
  request(leaving = false): LimitRequest | undefined {
    if (this.#next.underWay || (this.#closed && !leaving)) return undefined
    const now = this.#scheduler.now()
    this.#next.begun()
    const permits = this.#permits
    const tally = this.#tally
    const wants = this.#wants
    wants.measure(tally.used, now)
    permits.lapse(now)
    const stock = wants.stock(now)
    // given back by stating less
    if (leaving || wants.starved) permits.hold(0, 0)
    else if (wants.live.all === 0 && permits.units > stock) permits.hold(stock, permits.background)
    tally.tell()
    const { limit, windowMs, reserved } = this.rule
    return {
      by: this.#host.by,
      id: this.id,
      name: this.name,
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
      ...this.#memory.told(this.#history, now),
      providerUsed: this.#providerUsed,
    }
  }

  /** @param sentAt when the request was made: permits are timed from before it was asked */
  answered(request: LimitRequest, reply: LimitReply, sentAt: number): void {
    this.#next.ended()
    const now = this.#scheduler.now()
    this.#outage.answered(now - sentAt)
    this.#tally.heard(request)
    if (this.#closed) return
    this.#settledAt = now
    if (reply.status === 'stale') {
      this.#tellLater()
      return
    }
    this.#providerUsed = undefined
    this.#memory.heard(request, reply, now)
    const { processes, profile } = reply
    if (reply.holdMs > 0) this.#heldBack(reply, { at: sentAt, processes, profile }, now)
    else {
      this.#lone.end({ at: sentAt, processes, profile }, now)
      this.#granted(request, reply, sentAt, now)
    }
  }

  failed(sentAt: number): void {
    this.#next.ended()
    if (this.#closed) return
    const now = this.#scheduler.now()
    this.#settledAt = now
    const { lasts, retryMs } = this.#outage.failed(sentAt, now)
    if (lasts && !this.degraded) {
      this.#lone.begin(now)
      this.#withoutPermits()
    }
    // also where the server holds all back and each goes on with its share: what it uses must be told before that ends
    this.#later(retryMs)
  }

  /** The server has lost what it knew: shares hold until all have told theirs. */
  #heldBack({ holdMs }: LimitReply, heard: LastHeard, now: number): void {
    const wasAlone = this.degraded
    this.#lone.held(heard, now)
    if (!wasAlone) this.#withoutPermits()
    this.#later(this.#memory.isLost ? 1 : Math.min(holdMs, 200 + this.#scheduler.random() * 200))
  }

  #withoutPermits(): void {
    this.#permits.hold(0, 0)
    this.#wants.unheard()
    this.#host.changed(this)
  }

  #granted(request: LimitRequest, reply: LimitReply, sentAt: number, now: number): void {
    const permits = this.#permits
    const usedMeanwhile = request.held - permits.units
    const held = reply.kept + reply.live + reply.background + reply.spare - usedMeanwhile
    permits.hold(held, permits.background + reply.background)
    permits.leased(sentAt, request.leaseMs)
    this.#usedByAll = reply.used
    this.#retryAt = reply.retryInMs === undefined ? 0 : now + Math.max(2, reply.retryInMs)
    this.#wants.heard(request, reply, permits.units, now)
    this.#host.changed(this)
    this.#plan(now, request.leaseMs)
  }

  /** @param leaseMs how long what is held now is valid: the rhythm may have changed since it was asked for */
  #plan(now: number, leaseMs: number): void {
    const { units } = this.#permits
    const wants = this.#wants
    const blockedMs = wants.waits ? this.#retryAt - now : 0
    if (this.#memory.isLost) this.#next.now()
    else if (blockedMs > 0) this.#later(blockedMs + this.#scheduler.random() * 3)
    else if (this.#next.again && wants.missing(this.#permits) > 0) this.#next.now()
    else if (this.#tally.hasNews || units > wants.stock(now)) this.#tellLater()
    else if (units > 0) this.#later(leaseMs * 0.4)
  }

  #ask(now: number): void {
    if (this.#permits.units === 0 && this.#retryAt > now && !this.#next.underWay) {
      this.#later(this.#retryAt - now)
    } else this.#next.now()
  }

  /** What was used is told: later while the store is strained, but before the lease is over. */
  #tellLater(): void {
    const { reportMs, leaseMs } = this.#wants.rhythm
    this.#later(Math.min(this.#strain.pauseMs(reportMs), Math.max(reportMs, leaseMs * 0.4)))
  }

  #later(ms: number): void {
    this.#next.in(this.#wants.isPatient ? Math.max(ms, BACKGROUND_MS) : ms)
  }

  #use(units: number, now: number): void {
    this.#tally.used += units
    this.#wants.used(now)
    this.#history.add(units, now)
  }
}

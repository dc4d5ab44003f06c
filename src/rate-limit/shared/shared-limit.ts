import type { Scheduler } from '../../time/clock.ts'
import type { Limit, LimitRule, LimitState, Wanted } from '../limit.ts'
import { SlidingWindow } from '../sliding-window.ts'
import type { LimitReply, LimitRequest } from './backend.ts'
import { isAmple, lowWater, type Rhythm, rhythmOf, stockWanted, UseRate } from './demand.ts'
import { LoneMode } from './lone-mode.ts'
import type { LastHeard } from './lone-share.ts'
import { NextExchange } from './next-exchange.ts'
import { Permits } from './permits.ts'
import { Tally } from './tally.ts'

/** Without an answer for so long the store is out of reach: one lost reply is no outage. In milliseconds. */
const OUTAGE_MS = 600
/** Background calls ask no more often than this: they never hurry. In milliseconds. */
const BACKGROUND_MS = 50
/** So long after the last exchange the lease is over, and the server counts anew from what is told: longer than any lease. */
const LEASE_OVER_MS = 15_000

/** What a shared limit asks of the store around it. */
export interface SharedLimitHost {
  readonly by: string
  /** Makes an exchange in this turn of the event loop, together with those of other limits. */
  exchangeSoon(limit: SharedLimit): void
  /** Permits came, or the limit goes on by itself: calls may go. */
  changed(limit: SharedLimit): void
  closed(limit: SharedLimit): void
}

const nobody: Wanted = { all: 0, first: 0 }

/**
 * A limit that processes share, as one of them sees it: permits are held ahead of use, so that a call that finds one goes
 * without asking. While the store is out of reach it goes on with an even share of the limit.
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
  readonly #rate: UseRate
  readonly #next: NextExchange
  #rhythm: Rhythm
  #ample = false
  #lowWater = 1
  #sequence: number
  #settledAt = -Infinity
  #live = nobody
  #background = nobody
  /** It waits and got nothing: what it holds is too little, and of use to others. */
  #starved = false
  #generation = ''
  /** The server grants nothing to anybody until then. */
  #heldBackUntil = -Infinity
  #tellsHistory = false
  #providerUsed: number | undefined
  /** Units used by all in the window, when the server was last heard. */
  #usedByAll = 0
  #scarce = false
  #retryAt = 0
  #failingSince: number | undefined
  #usedAt = -Infinity
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
    this.#rhythm = rhythmOf(false, rule.windowMs)
    this.#history = new SlidingWindow(rule.windowMs)
    this.#lone = new LoneMode(rule, this.#history, processes, now)
    this.#rate = new UseRate(now)
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
    if (this.#permits.units < this.#lowWater) this.#ask(now)
    else if (!this.#next.isDue) this.#later(this.#rhythm.reportMs)
  }

  giveBack(units: number, at: number, now: number): void {
    this.#history.remove(units, at, now)
    if (this.#lone.share !== undefined) this.#lone.share.remove(units, at, now)
    else if (this.#tally.unused(units) === 'never-told') this.#permits.giveBack(units, now)
    else if (now - at < this.rule.windowMs / 2) {
      this.#tally.returned += units
      this.#later(this.#rhythm.reportMs)
    }
  }

  charge(units: number, now: number): void {
    this.#use(units, now)
    if (this.#lone.share !== undefined) this.#lone.share.add(units, now)
    else this.#later(this.#rhythm.reportMs)
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
    this.#live = live
    this.#background = background
    if (this.degraded || live.all + background.all === 0) return
    const now = this.#scheduler.now()
    if (this.#next.underWay) this.#next.afterThis()
    else if (this.#retryAt > now) this.#later(this.#retryAt - now + this.#scheduler.random() * 3)
    else if (this.#missing() > 0) this.#next.now()
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
      // said more than once: who is held back has told what it used
      if (this.#generation !== '' && this.#scheduler.now() >= this.#heldBackUntil) this.#next.now()
    } else if (!this.#scarce) {
      this.#scarce = true
      if (this.#permits.units > 0) this.#next.now()
    }
  }

  /** What was pushed may have been missed: that the server has lost what it knew, too. */
  subscribed(): void {
    if (this.#generation !== '' && this.#history.used(this.#scheduler.now()) > 0) this.#next.now()
  }

  /** Commands can be sent again. */
  reconnected(): void {
    if (this.degraded || this.#failingSince !== undefined) this.#next.now()
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
    this.#rate.measure(tally.used, now)
    permits.lapse(now)
    const spare = leaving ? 0 : this.#stock(now)
    // given back by stating less
    if (leaving || this.#starved) permits.hold(0, 0)
    else if (this.#live.all === 0 && permits.units > spare) permits.hold(spare, permits.background)
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
      live: leaving ? 0 : Math.max(0, this.#live.all - permits.live),
      background: leaving ? 0 : Math.max(0, this.#background.all - permits.background),
      liveLeast: Math.max(1, this.#live.first - permits.live),
      backgroundLeast: Math.max(1, this.#background.first - permits.background),
      spare,
      leaseMs: this.#rhythm.leaseMs,
      reserved,
      generation: this.#tellsHistory ? '' : this.#generation,
      history: this.#tellsHistory ? [...this.#history.history(now)] : undefined,
      providerUsed: this.#providerUsed,
    }
  }

  /** @param sentAt when the request was made: permits are timed from before it was asked */
  answered(request: LimitRequest, reply: LimitReply, sentAt: number): void {
    this.#next.ended()
    this.#failingSince = undefined
    this.#tally.heard(request)
    if (this.#closed) return
    const now = this.#scheduler.now()
    this.#settledAt = now
    if (reply.status === 'stale') {
      this.#later(this.#rhythm.reportMs)
      return
    }
    this.#providerUsed = undefined
    this.#generation = reply.generation
    const toldHistory = request.history !== undefined
    this.#tellsHistory = !toldHistory && (reply.status === 'lost' || reply.status === 'restate')
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
    this.#failingSince ??= sentAt
    const random = this.#scheduler.random()
    // also where the server holds all back and each goes on with its share: what it uses must be told before that ends
    if (now - this.#failingSince < OUTAGE_MS) {
      this.#later(20 + random * 30)
      return
    }
    if (!this.degraded) {
      this.#lone.begin(now)
      this.#withoutPermits()
    }
    this.#later(500 + random * 500)
  }

  /** The server has lost what it knew: shares hold until all have told theirs. */
  #heldBack({ holdMs }: LimitReply, heard: LastHeard, now: number): void {
    this.#heldBackUntil = now + holdMs
    const wasAlone = this.degraded
    this.#lone.held(heard, now)
    if (!wasAlone) this.#withoutPermits()
    this.#later(this.#tellsHistory ? 1 : Math.min(holdMs, 200 + this.#scheduler.random() * 200))
  }

  #withoutPermits(): void {
    this.#permits.hold(0, 0)
    this.#ample = false
    this.#rhythm = rhythmOf(false, this.rule.windowMs)
    this.#host.changed(this)
  }

  #granted(request: LimitRequest, reply: LimitReply, sentAt: number, now: number): void {
    const permits = this.#permits
    const usedMeanwhile = request.held - permits.units
    const held = reply.kept + reply.live + reply.background + reply.spare - usedMeanwhile
    permits.hold(held, permits.background + reply.background)
    permits.leased(sentAt, request.leaseMs)
    this.#usedByAll = reply.used
    this.#scarce = reply.scarce
    this.#retryAt = reply.retryInMs === undefined ? 0 : now + Math.max(2, reply.retryInMs)
    this.#ample = !reply.scarce && isAmple(reply.free, this.rule.limit)
    this.#rhythm = rhythmOf(this.#ample, this.rule.windowMs)
    this.#lowWater = lowWater(this.#stock(now))
    this.#starved =
      request.live + request.background > 0 && reply.live + reply.background === 0 && permits.units > 0
    this.#host.changed(this)
    this.#plan(now, request.leaseMs)
  }

  /** @param leaseMs how long what is held now is valid: the rhythm may have changed since it was asked for */
  #plan(now: number, leaseMs: number): void {
    const waits = this.#live.all + this.#background.all > 0
    const { units } = this.#permits
    if (this.#tellsHistory) this.#next.now()
    else if (waits && this.#retryAt > now) this.#later(this.#retryAt - now + this.#scheduler.random() * 3)
    else if (this.#next.again && this.#missing() > 0) this.#next.now()
    else if (this.#tally.hasNews || units > this.#stock(now)) this.#later(this.#rhythm.reportMs)
    else if (units > 0) this.#later(leaseMs * 0.4)
  }

  #ask(now: number): void {
    if (this.#permits.units === 0 && this.#retryAt > now && !this.#next.underWay) {
      this.#later(this.#retryAt - now)
    } else this.#next.now()
  }

  #missing(): number {
    const { live, background } = this.#permits
    return Math.max(this.#live.all - live, this.#background.all - background)
  }

  #later(ms: number): void {
    const onlyBackground = this.#live.all === 0 && this.#background.all > 0
    this.#next.in(onlyBackground ? Math.max(ms, BACKGROUND_MS) : ms)
  }

  #use(units: number, now: number): void {
    this.#tally.used += units
    this.#usedAt = now
    this.#history.add(units, now)
  }

  #stock(now: number): number {
    return stockWanted({
      perSecond: this.#rate.perSecond,
      idleMs: now - this.#usedAt,
      scarce: this.#scarce,
      ample: this.#ample,
      limit: this.rule.limit,
    })
  }
}

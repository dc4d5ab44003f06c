import type { Scheduler } from '../../time/clock.ts'
import type { Limit, LimitRule, LimitState, Wanted } from '../limit.ts'
import { SlidingWindow } from '../sliding-window.ts'
import { LimitExchange } from './limit-exchange.ts'
import { LoneMode } from './lone/lone-mode.ts'
import { NextExchange } from './next-exchange.ts'
import { Permits } from './permits.ts'
import { Tally } from './tally.ts'

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

/**
 * A limit that processes share, as the calls of one of them see it: permits are held ahead of use, so that a call that finds
 * one goes without asking. While the store is out of reach it goes on with an even share of the limit.
 */
export class SharedLimit implements Limit {
  readonly rule: LimitRule
  readonly id: string
  readonly name: string
  /** What it and the store tell each other. */
  readonly exchange: LimitExchange
  readonly #host: SharedLimitHost
  /** What this process used: for a server that has lost what it knew, and for its share. */
  readonly #history: SlidingWindow
  readonly #lone: LoneMode
  readonly #permits = new Permits()
  readonly #tally = new Tally()
  readonly #next: NextExchange

  constructor(
    { id, name, rule, processes }: { id: string; name: string; rule: LimitRule; processes: number },
    host: SharedLimitHost,
    scheduler: Scheduler,
  ) {
    this.id = id
    this.name = name
    this.rule = rule
    this.#host = host
    this.#history = new SlidingWindow(rule.windowMs)
    this.#lone = new LoneMode(rule, this.#history, processes, scheduler.now())
    this.#next = new NextExchange(scheduler, () => host.exchangeSoon(this))
    this.exchange = new LimitExchange(
      {
        by: host.by,
        id,
        name,
        rule,
        permits: this.#permits,
        tally: this.#tally,
        history: this.#history,
        lone: this.#lone,
        next: this.#next,
      },
      () => host.changed(this),
      scheduler,
    )
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
    if (this.#permits.units < this.#permits.lowWater) this.exchange.ask(now)
    else if (!this.#next.isDue) this.exchange.tellLater()
  }

  giveBack(units: number, at: number, now: number): void {
    this.#history.remove(units, at, now)
    if (this.#lone.share !== undefined) this.#lone.share.remove(units, at, now)
    else if (this.#tally.unused(units) === 'never-told') this.#permits.giveBack(units, now)
    else if (now - at < this.rule.windowMs / 2) {
      this.#tally.returned += units
      this.exchange.tellLater()
    }
  }

  charge(units: number, now: number): void {
    this.#use(units, now)
    if (this.#lone.share !== undefined) this.#lone.share.add(units, now)
    else this.exchange.tellLater()
  }

  hearUsed(units: number, _now: number): void {
    const { usedByAll, providerUsed = 0 } = this.exchange
    if (units > usedByAll) this.exchange.providerUsed = Math.max(providerUsed, Math.ceil(units))
  }

  knownWait(units: number, now: number): number {
    const { limit, windowMs } = this.rule
    const windows = Math.floor((units - 1) / limit) * windowMs
    const { share } = this.#lone
    if (share !== undefined) return Math.max(0, share.freeAt(units, now) - now)
    return Math.max(windows, this.#permits.units >= units ? 0 : this.exchange.retryAt - now, 0)
  }

  retryAt(units: number, now: number): number {
    return this.#lone.share?.freeAt(units, now) ?? Infinity
  }

  want(live: Wanted, background: Wanted): void {
    this.exchange.want(live, background)
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
      used: this.#lone.share?.used(now) ?? this.exchange.usedByAll + used - usedKnown,
      held: this.#permits.valid(now),
    }
  }

  forgettable(now: number): boolean {
    return !this.hasNews && !this.#next.underWay && now - this.exchange.settledAt >= LEASE_OVER_MS
  }

  close(): void {
    this.exchange.close()
    this.#host.closed(this)
  }

  /** Whether there is anything to report, or to give back. */
  get hasNews(): boolean {
    return this.#tally.hasNews || this.#permits.units > 0
  }

  #use(units: number, now: number): void {
    this.#tally.used += units
    this.#tally.usedAt = now
    this.#history.add(units, now)
  }
}

import type { IncomingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'
import type { Attempt } from '../call/attempt.ts'
import { isRecorded } from '../call/body/request-body.ts'
import { type CallRequest, requestOf } from '../call/call-request.ts'
import type { Call } from '../call/call.ts'
import { canBeHeldBack } from '../call/line/held-back.ts'
import { accountOf, credentialsIn } from '../http/secrets/credential.ts'
import { sha256 } from '../http/sha256.ts'
import { coolDownMs, mayAskToCoolDown } from '../http/waits/cool-down.ts'
import { numberOption, stringOption } from '../options.ts'
import type { Reporter } from '../telemetry/reporter.ts'
import type { Cost, LimitRule } from './limit.ts'
import type { Limiter } from './limiter.ts'
import type { RateLimitPolicy } from './options.ts'
import { ProviderCounts } from './provider-counts.ts'
import type { LimitStore } from './store.ts'

/** Of the hash of credentials, what a key shows: enough to tell accounts apart, too little to guess one. */
const SHOWN_HASH_CHARS = 12

/** What a key hook made of a call, and what it was asked about: costs of the call are asked about the same object. */
interface Made {
  readonly scope: string
  readonly request: CallRequest
}

/** What the calls through one interceptor share: which limits they are under, what they cost, what answers say. */
export class Budget {
  readonly policy: RateLimitPolicy
  readonly store: LimitStore
  readonly reporter: Reporter
  readonly hasCosts: boolean
  readonly toldByRetry: boolean
  readonly #counts: ProviderCounts
  /** Calls whose body can be read only after it was sent: what a hook says before holds for all of the call. */
  readonly #made = new WeakMap<Call, Made>()
  /** Where attempts that were held back on their way are to wait: a hook may make another key when it is asked again. */
  readonly #holders = new WeakMap<Attempt, Limiter>()
  /** Of the last call: nearly always that of the next one too. */
  #lastScope: string | undefined
  #lastCredentials: string | undefined
  #lastLimiter: Limiter | undefined

  /**
   * @param toldByRetry a retry layer right above looks at every answer in any case, and calls `heed`: a healthy call then
   *   needs nobody who looks for it
   */
  constructor(policy: RateLimitPolicy, store: LimitStore, reporter: Reporter, toldByRetry: boolean) {
    this.policy = policy
    this.store = store
    this.reporter = reporter
    this.toldByRetry = toldByRetry
    this.hasCosts = policy.limits.some(({ cost }) => cost !== undefined)
    this.#counts = new ProviderCounts(policy, reporter)
  }

  /** The origin, or what the hook makes of the request. */
  scopeOf(call: Call): string {
    const { key } = this.policy
    return key === undefined ? call.origin : this.#scopeByHook(key, call)
  }

  #scopeByHook(key: NonNullable<RateLimitPolicy['key']>, call: Call): string {
    const made = this.#made.get(call)
    if (made !== undefined) return made.scope
    const request = requestOf(call)
    const scope = this.reporter.guard('key', call.origin, madeKey, key, request)
    if (isRecorded(call.options.body)) this.#made.set(call, { scope, request })
    return scope
  }

  /** The key of a call: its scope, and whose credentials it carries. */
  keyOf(scope: string, options: Dispatcher.DispatchOptions): string {
    return this.policy.key === undefined ? keyOf(scope, credentialsIn(options.headers)) : scope
  }

  /** The limiter of a call, where limits are known. */
  limiterOf(scope: string, options: Dispatcher.DispatchOptions): Limiter {
    const credentials = this.policy.key === undefined ? credentialsIn(options.headers) : undefined
    const last = this.#lastLimiter
    if (
      last !== undefined &&
      !last.dropped &&
      credentials === this.#lastCredentials &&
      scope === this.#lastScope
    ) {
      return last
    }
    const limiter = this.store.limiter(keyOf(scope, credentials), this.policy)
    this.#lastScope = scope
    this.#lastCredentials = credentials
    this.#lastLimiter = limiter
    return limiter
  }

  /** What an attempt costs, for each limit of its key. */
  unitsOf(attempt: Attempt, limiter: Limiter): readonly number[] {
    if (!this.hasCosts) return limiter.ones
    return limiter.limits.map(({ rule }) => this.#costOf(rule, attempt, undefined))
  }

  /** Corrects what was taken by what the answer says, and hears of strangers. */
  answered(
    limiter: Limiter,
    attempt: Attempt,
    units: readonly number[] | undefined,
    statusCode: number,
    headers: IncomingHttpHeaders,
  ): void {
    if (this.hasCosts && units !== undefined) {
      attempt.call.runInAsyncScope(this.#correct, this, limiter, attempt, units, { statusCode, headers })
    }
    this.#counts.hear(limiter, attempt.call, headers)
  }

  /** The headers of an answer: the provider may want to be left alone. */
  heed(
    attempt: Attempt,
    options: Dispatcher.DispatchOptions,
    statusCode: number,
    headers: IncomingHttpHeaders,
  ): void {
    const { call, verdict } = attempt
    if (call.scope?.rateLimit === false || !mayAskToCoolDown(statusCode, verdict)) return
    call.runInAsyncScope(this.#cool, this, attempt, options, statusCode, headers)
  }

  /**
   * A connection takes up an attempt under no limits: how long it is to wait, since a cool-down has begun after it was
   * dispatched. Each healthy call comes through here.
   */
  holdsBack(
    attempt: Attempt,
    options: Dispatcher.DispatchOptions,
    controller: Dispatcher.DispatchController,
  ): number {
    if (this.store.quiet) return 0
    return attempt.call.runInAsyncScope(this.#holdsBack, this, attempt, options, controller)
  }

  #holdsBack(
    attempt: Attempt,
    options: Dispatcher.DispatchOptions,
    controller: Dispatcher.DispatchController,
  ): number {
    const { call } = attempt
    if (call.scope?.rateLimit === false || !canBeHeldBack(attempt, controller)) return 0
    const scope = this.scopeOf(call)
    if (this.store.place(scope).held === 0) return 0
    const limiter = this.store.cooling(this.keyOf(scope, options))
    if (limiter === undefined) return 0
    const forMs = limiter.coolUntil - performance.now()
    if (forMs > 0) this.#holders.set(attempt, limiter)
    return forMs
  }

  /** The limiter that `holdsBack` has found for an attempt, once. */
  takeHolder(attempt: Attempt): Limiter | undefined {
    const holder = this.#holders.get(attempt)
    this.#holders.delete(attempt)
    return holder
  }

  /** In the caller's async context, not in that of whoever opened the connection. */
  #cool(
    { call, verdict }: Attempt,
    options: Dispatcher.DispatchOptions,
    statusCode: number,
    headers: IncomingHttpHeaders,
  ): void {
    const { cooldown, maxCooldownMs } = this.policy
    const askedMs = cooldown ? coolDownMs(statusCode, headers, verdict, Date.now()) : 0
    if (askedMs === 0) return
    const scope = this.scopeOf(call)
    const ms = Math.ceil(Math.min(askedMs, maxCooldownMs))
    const place = this.store.place(scope)
    this.store.cooled({ key: this.keyOf(scope, options), ms, statusCode }, place, this.policy)
  }

  #correct(
    limiter: Limiter,
    attempt: Attempt,
    units: readonly number[],
    answer: NonNullable<Parameters<Cost>[1]>,
  ): void {
    for (const [at, limit] of limiter.limits.entries()) {
      if (limit.rule.cost === undefined) continue
      const more = this.#costOf(limit.rule, attempt, answer) - units[at]!
      if (more > 0) limit.charge(more, performance.now())
      else if (more < 0) limit.giveBack(-more, attempt.startedAt, performance.now())
      if (more < 0) limiter.pump()
    }
  }

  #costOf({ cost, limit }: LimitRule, attempt: Attempt, answer: Parameters<Cost>[1]): number {
    if (cost === undefined) return 1
    const request = this.#made.get(attempt.call)?.request ?? requestOf(attempt.call)
    return Math.min(limit, Math.ceil(this.reporter.guard('limits.cost', 1, madeCost, cost, request, answer)))
  }
}

function keyOf(scope: string, credentials: string | undefined): string {
  if (credentials === undefined) return scope
  return `${scope}#${sha256(Buffer.from(accountOf(credentials))).slice(0, SHOWN_HASH_CHARS)}`
}

function madeKey(make: (request: CallRequest) => string, request: CallRequest): string {
  return stringOption('key', make(request))
}

function madeCost(cost: Cost, request: CallRequest, answer: Parameters<Cost>[1]): number {
  return numberOption('cost', answer === undefined ? cost(request) : cost(request, answer), { min: 0 })
}

import { AsyncResource } from 'node:async_hooks'
import type { Dispatcher } from 'undici'
import type { RequestTimeoutError } from '../errors.ts'
import type { Delivery } from '../http/delivery.ts'
import { withHeader } from '../http/headers.ts'
import { idempotencyKeyIn } from '../http/idempotency-key.ts'
import { redactUrl, type UrlRules } from '../http/secrets/redacted-url.ts'
import { requestUrl } from '../http/url/request-url.ts'
import type { Reporter } from '../telemetry/reporter.ts'
import { hasFakeTimers, steadyNow } from '../time/clock.ts'
import { Deadlines } from '../time/deadlines.ts'
import { Attempt, type AttemptOptions } from './attempt.ts'
import { CallBodies } from './body/call-bodies.ts'
import { attemptStarts } from './call-events.ts'
import { CallFacts, nextCallId } from './call-facts.ts'
import type { CallScope } from './call-options.ts'
import type { AttemptRecord, GivenUp } from './call-record.ts'
import { type CancelHook, withoutHook } from './cancel-hook.ts'
import type { Captor, Capturing } from './desk/captor.ts'
import type { StableController } from './desk/controller.ts'
import { CallTimer, type TimeLimit } from './time-limit.ts'
import type { Stoppable } from './wait.ts'

/**
 * One call: what our interceptors share about it. The fields are in its front desk (`desk/front-desk.ts`), which every
 * call is, since a second constructor costs each call 10 ns: here is neither a field nor a `#` name.
 *
 * It is an `AsyncResource`, made while the caller's async context is current: undici calls back in the context of
 * whoever opened the connection, so later attempts, hooks, logs and events are run with `runInAsyncScope`.
 */
export abstract class Call extends AsyncResource {
  /** Our own copy of the caller's options: the layers under the first one share it and may change it. */
  abstract readonly options: AttemptOptions
  /** What the call was opened with: the caller's own handler, or one of an interceptor above. */
  abstract readonly caller: Dispatcher.DispatchHandler
  abstract readonly controller: StableController
  /** Per-call options: `withCallOptions`. */
  abstract readonly scope: CallScope | undefined
  /** The label of the stack that opened it. */
  abstract readonly integration: string
  /** The attempt in hand: the last that was made, or the one whose response is the caller's. */
  abstract attempt: Attempt
  /** Attempts made so far; one that was refused before anything was sent is taken back. */
  abstract attempts: number
  /** When the call as a whole times out, `performance.now()` milliseconds. */
  abstract deadline: number
  /** A retry is above what comes now: it may make several attempts of it. */
  abstract retried: boolean
  /** What the retry layer knows of `repeatable`. */
  abstract repeatableRule: ((call: Call) => boolean) | undefined
  /** The caller aborted, or its body or handler failed: no failure of the server. */
  abstract cancelled: boolean
  /**
   * The caller's own timeout (`AbortSignal.timeout`) ended it: it has its reason already, so nothing is tried again, but
   * it counts and is captured like a timeout of ours.
   */
  abstract abandoned: boolean
  /** Who captures the call if it fails, right under the front desk; none once there is a final answer. */
  abstract captor: Captor | undefined
  abstract finished: boolean
  /** What the time of the call is limited by, while nobody waits for it: an attempt in hand has less. */
  protected abstract timeLimit: TimeLimit | undefined
  protected abstract bodies: CallBodies | undefined
  protected abstract cancelHook: CancelHook | undefined
  protected abstract urlRules: UrlRules | undefined
  protected abstract waits: Stoppable | undefined
  /** Made when there is something to put in: a healthy call has none of it. */
  protected abstract facts: CallFacts | undefined

  /** The caller aborts, or its own timeout has ended the call. */
  abstract cancel(given: Error | undefined): void

  /** The source of its request body failed. */
  protected abstract bodyFailed(error: unknown): void

  /** Its time as a whole is over. */
  abstract timeOut(error: RequestTimeoutError): void

  get method(): string {
    return this.options.method
  }

  get origin(): string {
    const { origin } = this.options
    return typeof origin === 'string' ? origin : (origin?.origin ?? '')
  }

  /** The whole url as it was asked for; it may hold secrets. */
  get url(): string {
    return (this.own.url ??= requestUrl(this.options))
  }

  /** The url as it may be logged. */
  get redactedUrl(): string {
    return (this.own.redactedUrl ??= redactUrl(this.url, this.urlRules))
  }

  /** What its dead letter leaves out of the url, logs, events and errors leave out too. */
  redactUrlBy(rules: UrlRules): void {
    if (this.urlRules !== undefined) return
    this.urlRules = rules
    if (this.facts !== undefined) this.facts.redactedUrl = undefined
  }

  get labels(): Record<string, string> | undefined {
    return this.scope?.labels
  }

  get orderingKey(): string | undefined {
    return this.scope?.orderingKey
  }

  /** Monotonic start, `performance.now()` milliseconds. */
  get startedAt(): number {
    return this.facts?.startedAt ?? this.attempt.startedAt
  }

  /** The same number on all events of the call, and of no other call of this process. */
  get id(): number {
    return (this.own.id ??= nextCallId())
  }

  /** Attempts whose failure the retry layer has seen. */
  get history(): readonly AttemptRecord[] {
    return this.facts?.history ?? []
  }

  get givenUp(): GivenUp | undefined {
    return this.facts?.givenUp
  }

  set givenUp(givenUp: GivenUp | undefined) {
    this.own.givenUp = givenUp
  }

  /**
   * How long the call has waited so far for others to be ready, in milliseconds: for permits, cool-downs, recovery. Each
   * layer that lets it wait takes this off its own bound, so that their waits never add up.
   */
  get waitedMs(): number {
    return this.facts?.waitedMs ?? 0
  }

  set waitedMs(ms: number) {
    this.own.waitedMs = ms
  }

  get deadLetterId(): string | undefined {
    return this.facts?.deadLetterId
  }

  set deadLetterId(id: string | undefined) {
    this.own.deadLetterId = id
  }

  /** The line of its dead letter in the log tells of its loss: who gives it up need not. */
  tellsOfLoss(teller: Reporter): void {
    this.own.loss = { attempt: this.attempt, teller }
  }

  /** Who tells of its loss in the log, where this attempt was the last; a failure before it may have been captured, too. */
  tellerOfLoss(last: Attempt): Reporter | undefined {
    const loss = this.facts?.loss
    return loss?.attempt === last ? loss.teller : undefined
  }

  /** It has failed, and its caller hears of that once the rest of its body is read, for a record of it. */
  get failureWaits(): boolean {
    return this.facts?.failureWaits === true
  }

  set failureWaits(waits: boolean) {
    this.own.failureWaits = waits
  }

  /** The key in the Idempotency-Key header, whoever set it. */
  get idempotencyKey(): string | undefined {
    return this.facts?.idempotencyKey ?? idempotencyKeyIn(this.options.headers)
  }

  protected get own(): CallFacts {
    return (this.facts ??= new CallFacts())
  }

  /**
   * Whether the request may be sent twice without its idempotency key; `undefined` where no retry layer has a say.
   * Found out when it is first asked for: it may take a hook of the user.
   */
  get repeatable(): boolean | undefined {
    return this.repeatableRule === undefined ? undefined : (this.own.repeatable ??= this.repeatableRule(this))
  }

  /** Sets the header for all attempts, unless the caller sends a key already. */
  setIdempotencyKey(key: string): void {
    if (this.idempotencyKey !== undefined) return
    this.own.idempotencyKey = key
    this.options.headers = withHeader(this.options.headers, 'idempotency-key', key) as never
  }

  /** Its attempt is going to have another start than it had. */
  keepStart(): void {
    this.own.startedAt ??= this.attempt.startedAt
  }

  /** A further attempt; it is the one in hand from now on. */
  nextAttempt(): Attempt {
    this.keepStart()
    this.watchTime()
    this.attempts += 1
    const attempt = new Attempt(this, this.attempts, steadyNow())
    this.attempt = attempt
    attemptStarts(attempt)
    return attempt
  }

  /**
   * The options with a body that can be sent again, kept up to `bytes`. To be called by each layer that sends the body
   * again or keeps it, with the options that it was given: an interceptor between may have put another body in.
   */
  recordUpTo(options: Dispatcher.DispatchOptions, bytes: number): Dispatcher.DispatchOptions {
    return options.body === null || options.body === undefined ? options : this.recordBody(options, bytes)
  }

  /** Apart from its caller, which every call goes through: closures cost it even where they are not reached. */
  private recordBody(options: Dispatcher.DispatchOptions, bytes: number): Dispatcher.DispatchOptions {
    this.bodies ??= new CallBodies()
    return this.bodies.record(
      options,
      bytes,
      () => (options === this.options ? this.options : { ...options }),
      (error) => this.bodyFailed(error),
    )
  }

  /** Captures it further below, and hears of timeouts unless the front desk has a captor; of several the first made. */
  captureBelow(captor: Pick<Capturing, 'abandoned'>): void {
    if (this.captor === undefined) this.own.captorBelow ??= captor
  }

  /** The body that its record holds, whatever an interceptor below makes of the options. */
  get bodyToCapture(): unknown {
    return this.bodies?.toCapture
  }

  set bodyToCapture(body: unknown) {
    if (this.bodies !== undefined) this.bodies.toCapture = body
  }

  /** Keeps the bodies' sources open after the end of the call, until `releaseBody`: a record may need the rest. */
  holdBody(): void {
    this.bodies?.hold()
  }

  releaseBody(): void {
    this.bodies?.release(this.finished)
  }

  logAttempt(
    attempt: Attempt,
    facts: { statusCode?: number | undefined; code?: string | undefined; delivery?: Delivery | undefined },
  ): AttemptRecord {
    const record: AttemptRecord = {
      at: Math.round(performance.timeOrigin + attempt.startedAt),
      ms: Math.round(performance.now() - attempt.startedAt),
    }
    if (facts.statusCode !== undefined) record.statusCode = facts.statusCode
    if (facts.code !== undefined) record.code = facts.code
    if (facts.delivery !== undefined) record.delivery = facts.delivery
    ;(this.own.history ??= []).push(record)
    return record
  }

  /**
   * Limits the time of the call as a whole, for the stack that opened it.
   * @param within its attempts have less time: while the first is in hand, no timer waits for the call
   */
  limitTo(limit: TimeLimit, now: number, within: boolean): void {
    this.deadline = now + limit.deadlines.ms
    // a test's fake timers know what is left only of what they have started
    if (within && !hasFakeTimers()) this.timeLimit = limit
    else this.own.timer = new CallTimer(this, limit, limit.deadlines, now)
  }

  /** It goes on after its first attempt, or waits: what is left of its time is waited for. */
  watchTime(): void {
    if (this.timeLimit !== undefined) this.startTimer(this.timeLimit)
  }

  private startTimer(limit: TimeLimit): void {
    this.timeLimit = undefined
    const now = steadyNow()
    const left = new Deadlines(Math.max(1, Math.ceil(this.deadline - now)), true)
    this.own.timer = new CallTimer(this, limit, left, now)
  }

  addWait(wait: Stoppable): void {
    wait.nextStoppable = this.waits
    this.waits = wait
  }

  removeWait(wait: Stoppable): void {
    const next = wait.nextStoppable
    wait.nextStoppable = undefined
    if (this.waits === wait) {
      this.waits = next
      return
    }
    let before = this.waits
    while (before !== undefined && before.nextStoppable !== wait) before = before.nextStoppable
    if (before !== undefined) before.nextStoppable = next
  }

  /** Ends the waits that the call is in, so that no attempt follows them, and what it keeps others waiting for. */
  stopWaiting(): void {
    let wait: Stoppable | undefined
    while ((wait = this.waits) !== undefined) {
      this.waits = wait.nextStoppable
      wait.nextStoppable = undefined
      wait.stop()
    }
  }

  /** Tells `hook` when the caller aborts, before the attempt in hand is told: for timers, permits and leases. */
  onCancel(hook: CancelHook): void {
    hook.nextCancelHook = this.cancelHook
    this.cancelHook = hook
  }

  offCancel(hook: CancelHook): void {
    if (this.cancelHook === hook) {
      this.cancelHook = hook.nextCancelHook
      hook.nextCancelHook = undefined
    } else this.cancelHook = withoutHook(this.cancelHook, hook)
  }
}

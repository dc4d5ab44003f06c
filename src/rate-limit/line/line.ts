import type { Dispatcher } from 'undici'
import type { Attempt } from '../../call/attempt.ts'
import { Waits } from '../../call/wait.ts'
import { RateLimitError, subjectOf } from '../../errors.ts'
import { channels, type LimitWaitingEvent } from '../../telemetry/channels.ts'
import type { Reporter } from '../../telemetry/reporter.ts'
import { Deadlines } from '../../time/deadlines.ts'
import type { Limiter, RefusedBy } from '../limiter.ts'
import { WaitingCall } from './waiting-call.ts'

/** A call that could not go at once. */
interface HeldCall {
  readonly attempt: Attempt
  readonly limiter: Limiter
  readonly units: readonly number[]
  readonly background: boolean
  readonly handler: Dispatcher.DispatchHandler
}

/** Lets the calls of one interceptor wait, or refuses at once what could not wait long enough. */
export class Line {
  readonly waits: Waits
  readonly #reporter: Reporter
  readonly #maxWaitMs: number
  readonly #deadlines: Deadlines

  constructor(maxWaitMs: number, reporter: Reporter) {
    this.waits = new Waits(reporter.integration)
    this.#reporter = reporter
    this.#maxWaitMs = maxWaitMs
    this.#deadlines = new Deadlines(Math.max(1, maxWaitMs))
  }

  /** @param go sends it: its permit is taken then */
  join(held: HeldCall, go: () => void): void {
    const { attempt, limiter, units, background } = held
    const { call } = attempt
    const now = performance.now()
    const mayWaitMs = this.#maxWaitMs - call.waitedMs
    const waitsUntil = Math.min(call.deadline, now + mayWaitMs)
    const { ms, by } = limiter.knownWait(units, now)
    if (mayWaitMs < 1 || now + ms > waitsUntil || limiter.full || this.waits.closed) {
      const error = this.#refuse(held, limiter.full ? 'limiter' : by, ms)
      attempt.refused(error)
      this.#fail(held, error)
      return
    }
    if (this.#reporter.hears(channels.limitWaiting)) this.#reporter.limitWaiting(this.#event(held, ms), by)
    const deadlines = call.waitedMs === 0 ? this.#deadlines : new Deadlines(Math.ceil(mayWaitMs), true)
    const waiting = new WaitingCall(
      attempt,
      limiter,
      { units, background, waitsUntil },
      this.waits,
      deadlines,
      {
        go,
        refuse: (who, forMs) => this.#refuse(held, who, forMs),
        fail: (error) => this.#fail(held, error),
      },
    )
    limiter.join(waiting)
  }

  /** The error of a call that is not let through; nothing was sent. */
  #refuse(held: HeldCall, by: RefusedBy, ms: number): RateLimitError {
    const { call } = held.attempt
    const { integration } = this.#reporter
    const retryAfterMs = Math.max(1, Math.ceil(ms))
    if (this.#reporter.hears(channels.limitRefused)) {
      this.#reporter.limitRefused({ ...this.#event(held, retryAfterMs), refusedBy: by })
    }
    const why = by === 'provider' ? 'the provider asked to wait' : 'its rate limit is used up'
    const { method, redactedUrl: url, attempts } = call
    const subject = { integration, method, url }
    return new RateLimitError(`${subjectOf(subject)} was not sent: ${why}`, {
      ...subject,
      // the attempt that was not let through is none
      attempts: Math.min(attempts, held.attempt.number - 1),
      retryAfterMs,
      refusedBy: by,
    })
  }

  #fail({ attempt: { call }, handler }: HeldCall, error: Error): void {
    if (error instanceof RateLimitError) {
      call.givenUp = { reason: 'rate-limited', notBefore: Date.now() + (error.retryAfterMs ?? 0) }
    }
    handler.onResponseError?.(call.controller, error)
  }

  #event({ attempt, limiter }: HeldCall, retryAfterMs: number): LimitWaitingEvent {
    const { call, number } = attempt
    return {
      integration: this.#reporter.integration,
      method: call.method,
      url: call.redactedUrl,
      attempt: number,
      labels: call.labels,
      key: limiter.key,
      retryAfterMs: Math.ceil(retryAfterMs),
    }
  }
}

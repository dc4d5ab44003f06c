import type { Dispatcher } from 'undici'
import type { Attempt } from '../call/attempt.ts'
import { attemptDone } from '../call/call-events.ts'
import { Waits } from '../call/wait.ts'
import { BulkheadFullError, subjectOf } from '../errors.ts'
import { type BulkheadWaitingEvent, channels } from '../telemetry/channels.ts'
import type { Reporter } from '../telemetry/reporter.ts'
import { Deadlines } from '../time/deadlines.ts'
import { type LineFacts, longestWaitMs, mayWait, type Refusal } from './admission.ts'
import type { BulkheadPolicy } from './options.ts'
import type { Slots } from './slots.ts'
import { WaitingCall } from './waiting-call.ts'

/** A call that found no slot. */
interface HeldCall {
  readonly attempt: Attempt
  readonly slots: Slots
  readonly handler: Dispatcher.DispatchHandler
}

const reasons: Record<Refusal, string> = {
  full: 'its bulkhead is full',
  'too-late': 'its bulkhead is full, and too little of its time is left',
}

/** Lets the calls of one bulkhead wait, or refuses at once what could not wait, or not finish after it. */
export class Line {
  readonly waits: Waits
  readonly #reporter: Reporter
  readonly #policy: BulkheadPolicy
  readonly #deadlines: Deadlines

  constructor(policy: BulkheadPolicy, reporter: Reporter) {
    this.waits = new Waits(reporter.integration)
    this.#reporter = reporter
    this.#policy = policy
    this.#deadlines = new Deadlines(Math.max(1, policy.maxWaitMs))
  }

  /** @param go sends it: its slot is taken then */
  join(held: HeldCall, go: () => void): void {
    const { attempt, slots } = held
    const { maxQueue, maxWaitMs } = this.#policy
    const { deadline, waitedMs } = attempt.call
    const facts: LineFacts = {
      waiting: slots.waiting,
      maxQueue,
      waitLeftMs: maxWaitMs - waitedMs,
      remainingMs: deadline - performance.now(),
      meanMs: slots.meanMs,
      closed: this.waits.closed,
    }
    const answer = mayWait(facts)
    if (answer !== 'wait') {
      attempt.takeBack()
      const error = this.#refusal(held, answer)
      attemptDone(attempt, error)
      this.#fail(held, error)
      return
    }
    if (this.#reporter.hears(channels.bulkheadWaiting)) this.#reporter.bulkheadWaiting(this.#event(held))
    const ms = Math.ceil(longestWaitMs(facts))
    const deadlines = ms === this.#deadlines.ms ? this.#deadlines : new Deadlines(ms, true)
    const waiting = new WaitingCall(attempt, slots, this.waits, deadlines, {
      go,
      refusal: (why) => this.#refusal(held, why),
      fail: (error) => this.#fail(held, error),
    })
    slots.join(waiting)
  }

  /** The error of a call that is not let through: nothing was sent. */
  #refusal(held: HeldCall, why: Refusal): BulkheadFullError {
    const { integration } = this.#reporter
    const { call } = held.attempt
    const { key } = held.slots
    if (this.#reporter.hears(channels.bulkheadRefused)) {
      this.#reporter.bulkheadRefused({ ...this.#event(held), why })
    }
    const { method, redactedUrl: url, attempts } = call
    const context = { integration, method, url, attempts }
    return new BulkheadFullError(`${subjectOf(context)} was not sent: ${reasons[why]}`, { ...context, key })
  }

  #event({ attempt, slots }: HeldCall): BulkheadWaitingEvent {
    const { call, number } = attempt
    const { key, limit, waiting } = slots
    return {
      integration: this.#reporter.integration,
      method: call.method,
      url: call.redactedUrl,
      attempt: number,
      labels: call.labels,
      key,
      limit,
      waiting,
    }
  }

  #fail({ attempt: { call }, handler }: HeldCall, error: Error): void {
    if (error instanceof BulkheadFullError) call.givenUp = { reason: 'rate-limited' }
    handler.onResponseError?.(call.controller, error)
  }
}

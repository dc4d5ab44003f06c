import type { Dispatcher } from 'undici'
import type { Attempt } from '../../call/attempt.ts'
import { attemptDone } from '../../call/call-events.ts'
import type { Call } from '../../call/call.ts'
import type { Wait, WaitListener, Waits } from '../../call/wait.ts'
import type { CircuitBreakerOpenError } from '../../errors.ts'
import { type Admission, go, type Granted, type Refusal, refusalError } from '../admission.ts'
import type { Circuit } from '../circuit.ts'
import type { Waiter } from './line.ts'

/** What the attempts of one breaker share that do not find their circuit closed. */
export interface HeldContext {
  readonly integration: string
  readonly waits: Waits
}

/**
 * An attempt that did not find its circuit closed. Goes as a probe, which a shared store may have to grant first; waits
 * in line; or is refused. An abort, the deadline and `close()` end its waits.
 */
export class HeldAttempt implements Waiter, WaitListener {
  readonly #context: HeldContext
  readonly #circuit: Circuit
  readonly #attempt: Attempt
  readonly #handler: Dispatcher.DispatchHandler
  readonly #send: (granted: Granted) => boolean
  #wait: Wait | undefined
  #leaveLine: (() => void) | undefined
  #stopped = false

  constructor(
    context: HeldContext,
    circuit: Circuit,
    attempt: Attempt,
    handler: Dispatcher.DispatchHandler,
    send: (granted: Granted) => boolean,
  ) {
    this.#context = context
    this.#circuit = circuit
    this.#attempt = attempt
    this.#handler = handler
    this.#send = send
  }

  get call(): Call {
    return this.#attempt.call
  }

  get deadline(): number {
    return this.call.deadline
  }

  /** Asks the circuit. What `dispatch` returns, or `true` where it goes later or not at all. */
  enter(): boolean {
    const admission = this.#circuit.admit(performance.now())
    if (admission instanceof Promise) {
      this.#wait = this.#context.waits.begin(this.#attempt, this)
      void admission.then((answer) => this.#answered(answer))
      return true
    }
    if (admission.kind !== 'refused') return this.#send(admission)
    if (this.#lineUp(admission)) {
      this.#wait = this.#context.waits.begin(this.#attempt, this)
      return true
    }
    this.#attempt.takeBack()
    this.failed(this.#error(admission))
    return true
  }

  /** A shared store has answered. */
  #answered(answer: Admission): void {
    if (answer.kind !== 'refused') this.goes(answer)
    // news that it is closed may have come first
    else if (this.#circuit.passing) this.goes(go)
    else if (!this.#stopped && !this.#lineUp(answer)) this.refused(answer)
  }

  #lineUp(refusal: Refusal): boolean {
    if (this.#context.waits.closed) return false
    this.#leaveLine = this.#circuit.line.join(this, refusal)
    return this.#leaveLine !== undefined
  }

  goes(granted: Granted): void {
    const { call } = this
    const gone = this.#wait?.go(() => call.runInAsyncScope(this.#send, undefined, granted))
    if (gone !== true) this.#circuit.giveBack(granted)
  }

  refused(refusal: Refusal): void {
    this.#wait?.fail(() => this.#error(refusal))
  }

  stopped(): void {
    this.#stopped = true
    this.#leaveLine?.()
    this.#attempt.takeBack()
  }

  failed(error: Error): void {
    attemptDone(this.#attempt, error)
    this.#handler.onResponseError?.(this.call.controller, error)
  }

  #error(refusal: Refusal): CircuitBreakerOpenError {
    const { method, redactedUrl: url, attempts } = this.call
    const { integration } = this.#context
    return refusalError(this.#circuit, refusal, { integration, method, url, attempts })
  }
}

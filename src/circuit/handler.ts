import type { IncomingHttpHeaders } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { Attempt } from '../call/attempt.ts'
import type { CancelHook } from '../call/cancel-hook.ts'
import { isHeldBack } from '../call/line/held-back.ts'
import { type TimeLimit, timeoutError } from '../call/time-limit.ts'
import type { IntegrationErrorContext, RequestTimeoutError } from '../errors.ts'
import { errorOutcome, responseOutcome } from '../http/outcome.ts'
import type { Reporter } from '../telemetry/reporter.ts'
import { type Deadline, NOT_WAITING } from '../time/deadlines.ts'
import type { Probe } from './admission.ts'
import { attemptResult } from './attempt-result.ts'
import type { Circuit } from './circuit.ts'
import type { ProbeResult } from './machine/machine.ts'
import type { CircuitBreakerSettings } from './options.ts'
import { type ProbeOwner, RunningProbe } from './running-probe.ts'

type Controller = Dispatcher.DispatchController | null | undefined

/** What the attempts through one breaker share. */
export interface HandlerContext {
  readonly settings: CircuitBreakerSettings
  readonly reporter: Reporter
  /** Every answer below 500 is a success: no hook has a say, and none is too slow. */
  readonly plain: boolean
  /** How long an attempt may take, where no handler under this one watches it. */
  readonly limit: TimeLimit | undefined
}

/** An attempt that holds one of the circuit's slots. */
interface WatchedProbe extends CancelHook {
  readonly running: RunningProbe
}

/**
 * One attempt through a circuit: records once what came of it, and a failure also when the body then breaks. It waits
 * itself for the end of the time that the attempt has: a handler for that alone would cost as much as all of this.
 *
 * The methods that only pass on stand in every handler: a shared base class costs a call more than the repetition
 * (`call/layer.ts`).
 */
export class CircuitHandler implements Dispatcher.DispatchHandler, ProbeOwner, Deadline, CancelHook {
  place = NOT_WAITING
  nextCancelHook: CancelHook | undefined = undefined
  readonly #context: HandlerContext
  readonly #circuit: Circuit
  readonly #generation: number
  readonly #attempt: Attempt
  readonly #handler: Dispatcher.DispatchHandler
  /** Only for probes: a closure for each call would cost as much as the rest of this layer. */
  #watched: WatchedProbe | undefined
  #result: ProbeResult | undefined
  #controller: Dispatcher.DispatchController | undefined = undefined
  /** It took too long: the caller has its error, and what the attempt still says is not let through. */
  #timedOut: RequestTimeoutError | undefined

  constructor(
    context: HandlerContext,
    circuit: Circuit,
    attempt: Attempt,
    handler: Dispatcher.DispatchHandler,
    probe: Probe | undefined,
  ) {
    this.#context = context
    this.#circuit = circuit
    this.#generation = circuit.generation
    this.#attempt = attempt
    this.#handler = handler
    if (probe !== undefined) this.#watch(probe)
    const { limit } = context
    if (limit !== undefined) {
      limit.deadlines.set(this, attempt.now())
      attempt.call.onCancel(this)
    }
  }

  onRequestStart(controller: Dispatcher.DispatchController, context: unknown): void {
    if (this.#timedOut !== undefined) {
      // a connection takes up an attempt that is already over: it must not send it
      controller.abort(this.#timedOut)
      return
    }
    this.#attempt.started = true
    this.#controller = controller
    this.#handler.onRequestStart?.(controller, context)
  }

  onRequestUpgrade(
    controller: Dispatcher.DispatchController,
    statusCode: number,
    headers: IncomingHttpHeaders,
    socket: Duplex,
  ): void {
    // no end follows: whatever the probe holds is given back here
    this.#record(statusCode >= 500 ? 'fail' : 'ok', false)
    this.#handler.onRequestUpgrade?.(controller, statusCode, headers, socket)
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    statusCode: number,
    headers: IncomingHttpHeaders,
    statusMessage?: string,
  ): void {
    if (this.#timedOut !== undefined) return
    if (statusCode >= 200 && this.#result === undefined) {
      if (this.place !== NOT_WAITING) this.#stopTimer()
      // what `attemptResult` would say, for nearly every response, without an outcome made for it
      if (
        statusCode < 500 &&
        this.#context.plain &&
        this.#attempt.verdict === undefined &&
        this.#watched === undefined
      ) {
        this.#result = 'ok'
        this.#circuit.succeeded(this.#generation)
      } else this.#attempt.call.runInAsyncScope(this.#judge, this, statusCode, headers)
    }
    this.#handler.onResponseStart?.(controller, statusCode, headers, statusMessage)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#timedOut === undefined) this.#handler.onResponseData?.(controller, chunk)
  }

  onResponseEnd(controller: Dispatcher.DispatchController, trailers: IncomingHttpHeaders): void {
    if (this.#timedOut === undefined) this.#handler.onResponseEnd?.(controller, trailers)
  }

  onResponseError(controller: Controller, error: Error): void {
    if (this.#timedOut !== undefined) return
    this.#attempt.call.runInAsyncScope(this.#failed, this, error)
    this.#handler.onResponseError?.(controller as Dispatcher.DispatchController, error)
  }

  #failed(error: Error): void {
    const result = this.#resultOf(error)
    if (this.#result === 'ok' && result === 'fail') {
      this.#result = 'fail'
      this.#circuit.broke(this.#generation)
    } else this.#record(result, false)
  }

  onResponseStarted(): void {
    if (this.#timedOut === undefined) this.#handler.onResponseStarted?.()
  }

  onBodySent(chunk: Buffer): void {
    if (this.#timedOut === undefined) this.#handler.onBodySent?.(chunk)
  }

  onRequestSent(): void {
    if (this.#timedOut === undefined) this.#handler.onRequestSent?.()
  }

  /** The caller has gone, or nothing was dispatched: a probe's slot goes back at once, and nothing is counted. */
  #cancel(): void {
    this.#record('void', false)
  }

  /** In the caller's async context, not in that of whoever opened the connection: hooks run, and the circuit may move. */
  #judge(statusCode: number, headers: IncomingHttpHeaders): void {
    const { settings, reporter } = this.#context
    const { slowCallMs } = settings.policy
    const slow = slowCallMs !== Infinity && performance.now() - this.#attempt.startedAt >= slowCallMs
    const outcome = responseOutcome(statusCode, headers, this.#attempt.verdict)
    this.#record(attemptResult(outcome, settings, reporter), slow)
  }

  #record(result: ProbeResult, slow: boolean): void {
    if (this.#result !== undefined) return
    this.#result = result
    if (this.place !== NOT_WAITING) this.#stopTimer()
    if (this.#watched === undefined) this.#circuit.record(this.#generation, result, slow)
    else {
      this.#attempt.call.offCancel(this.#watched)
      this.#watched.running.end(result, slow)
    }
  }

  #watch(probe: Probe): void {
    this.#watched = {
      running: new RunningProbe(this.#circuit, probe, this),
      nextCancelHook: undefined,
      cancelled: () => this.#cancel(),
    }
    this.#attempt.call.onCancel(this.#watched)
  }

  errorContext(): IntegrationErrorContext {
    const { method, redactedUrl: url, attempts } = this.#attempt.call
    return { integration: this.#context.reporter.integration, method, url, attempts }
  }

  onTimeout(error: RequestTimeoutError): void {
    this.#record('fail', false)
    this.#abort(error)
  }

  /** Comes from a timer that all calls share: in the async context of none. */
  expire(): void {
    this.#attempt.call.runInAsyncScope(this.#expired, this)
  }

  #expired(): void {
    const { call } = this.#attempt
    call.offCancel(this)
    const error = timeoutError(call, this.#context.limit!)
    this.#failed(error)
    call.stopWaiting()
    this.#abort(error)
  }

  #abort(error: RequestTimeoutError): void {
    this.#timedOut = error
    this.#controller?.abort(error)
    this.#handler.onResponseError?.(this.#controller as Dispatcher.DispatchController, error)
  }

  /** The call is over: nothing is waited for any more. */
  cancelled(): void {
    this.#context.limit?.deadlines.clear(this)
  }

  #stopTimer(): void {
    this.#context.limit?.deadlines.clear(this)
    this.#attempt.call.offCancel(this)
  }

  /** A cancellation is void, as is what was thrown before anything was sent. */
  #resultOf(error: Error): ProbeResult {
    const outcome = errorOutcome(error, this.#attempt.started || this.#result !== undefined)
    const aborted =
      error?.name === 'AbortError' && outcome.kind === 'error' && outcome.code !== 'ERR_PROXY_REFUSED'
    const { call, thrown } = this.#attempt
    if (call.cancelled || aborted || error === thrown || isHeldBack(error)) return 'void'
    const { settings, reporter } = this.#context
    return attemptResult(outcome, settings, reporter)
  }
}

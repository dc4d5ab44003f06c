import type { IncomingHttpHeaders } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { Call } from '../call/call.ts'
import { errorOutcome, isCircuitFailure, type Outcome, responseOutcome } from '../call/outcome.ts'
import { RequestTimeoutError } from '../errors.ts'
import type { Reporter } from '../telemetry/reporter.ts'
import type { Circuit, Probe } from './circuit.ts'
import type { ProbeResult } from './machine.ts'
import type { CircuitBreakerSettings } from './options.ts'
import { watchProbe } from './probe-watch.ts'

type Controller = Dispatcher.DispatchController | null | undefined

/** What the attempts through one breaker share. */
export interface HandlerContext {
  readonly settings: CircuitBreakerSettings
  readonly reporter: Reporter
}

/** An attempt that holds one of the circuit's slots. */
interface WatchedProbe {
  readonly probe: Probe
  readonly onCancel: () => void
  readonly stopWatch: () => void
  controller: Dispatcher.DispatchController | undefined
}

/** One attempt through a circuit: records once what came of it, and a failure also when the body then breaks. */
export class CircuitHandler implements Dispatcher.DispatchHandler {
  readonly #context: HandlerContext
  readonly #circuit: Circuit
  readonly #generation: number
  readonly #call: Call
  readonly #handler: Dispatcher.DispatchHandler
  /** Only for probes: a closure for each call would cost as much as the rest of this layer. */
  #watched: WatchedProbe | undefined
  #started = false
  #result: 'ok' | 'fail' | 'void' | undefined
  /** The probe took too long: the caller has its error, and what the attempt still says is not let through. */
  #timedOut: RequestTimeoutError | undefined

  constructor(
    context: HandlerContext,
    circuit: Circuit,
    call: Call,
    handler: Dispatcher.DispatchHandler,
    probe: Probe | undefined,
  ) {
    this.#context = context
    this.#circuit = circuit
    this.#generation = circuit.generation
    this.#call = call
    this.#handler = handler
    if (probe !== undefined) this.#watch(probe)
  }

  onRequestStart(controller: Dispatcher.DispatchController, context: unknown): void {
    if (this.#timedOut !== undefined) {
      // a connection takes up an attempt that is already over: it must not send it
      controller.abort(this.#timedOut)
      return
    }
    this.#started = true
    if (this.#watched !== undefined) this.#watched.controller = controller
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
    if (statusCode >= 200 && this.#result === undefined) this.#responded(statusCode, headers)
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
    const result = this.#resultOf(error)
    if (this.#result === 'ok' && result === 'fail') {
      this.#result = 'fail'
      this.#circuit.broke(this.#generation)
    } else this.#record(result, false)
    this.#handler.onResponseError?.(controller as Dispatcher.DispatchController, error)
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

  #responded(statusCode: number, headers: IncomingHttpHeaders): void {
    const { settings } = this.#context
    const { verdict } = this.#call
    const failed =
      settings.isFailure === undefined && verdict === undefined
        ? statusCode >= 500
        : this.#isFailure(responseOutcome(statusCode, headers, verdict))
    const { slowCallMs } = settings.policy
    const slow = slowCallMs !== Infinity && performance.now() - this.#call.attemptStartedAt >= slowCallMs
    this.#record(failed ? 'fail' : 'ok', slow)
  }

  #record(result: ProbeResult, slow: boolean): void {
    if (this.#result !== undefined) return
    this.#result = result
    if (this.#watched !== undefined)
      this.#settleProbe(this.#watched, result === 'ok' && slow ? 'fail' : result)
    else if (result === 'ok' && !slow) this.#circuit.succeeded(this.#generation)
    else if (result !== 'void')
      this.#circuit.failed(this.#generation, result === 'fail' ? 1 : 0, slow ? 1 : 0)
  }

  #settleProbe({ probe, stopWatch, onCancel }: WatchedProbe, result: ProbeResult): void {
    stopWatch()
    this.#call.offCancel(onCancel)
    this.#circuit.settle(probe, result)
  }

  #watch(probe: Probe): void {
    const onCancel = (): void => this.#cancel()
    this.#call.onCancel(onCancel)
    const stopWatch = watchProbe(this.#circuit, probe, () => this.#expire())
    this.#watched = { probe, onCancel, stopWatch, controller: undefined }
  }

  #expire(): void {
    const call = this.#call
    const timeoutMs = this.#context.settings.policy.probeTimeoutMs
    const error = new RequestTimeoutError(
      `the probe of the circuit ${this.#circuit.key} took longer than ${timeoutMs} ms`,
      {
        scope: 'attempt',
        timeoutMs,
        integration: this.#context.reporter.integration,
        method: call.method,
        url: call.redactedUrl,
        attempts: call.attempt,
      },
    )
    this.#timedOut = error
    this.#record('fail', false)
    const controller = this.#watched?.controller
    controller?.abort(error)
    this.#handler.onResponseError?.(controller as Dispatcher.DispatchController, error)
  }

  /** An error that says nothing of the server is void: a cancellation, a closed dispatcher, a bad argument. */
  #resultOf(error: Error): ProbeResult {
    const outcome = errorOutcome(error, this.#started || this.#result !== undefined)
    const aborted =
      error?.name === 'AbortError' && outcome.kind === 'error' && outcome.code !== 'ERR_PROXY_REFUSED'
    if (this.#call.cancelled || aborted || error === this.#call.thrown) return 'void'
    if (this.#isFailure(outcome)) return 'fail'
    return this.#context.settings.isFailure === undefined ? 'void' : 'ok'
  }

  /** The user's word; where the hook throws, the default. */
  #isFailure(outcome: Outcome): boolean {
    const { settings, reporter } = this.#context
    if (settings.isFailure !== undefined) {
      try {
        return settings.isFailure(outcome)
      } catch (error) {
        reporter.hookFailed('isFailure', error)
      }
    }
    return isCircuitFailure(outcome)
  }
}

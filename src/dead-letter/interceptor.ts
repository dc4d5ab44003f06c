import { nextTick } from 'node:process'
import type { Dispatcher } from 'undici'
import type { Captor } from '../call/desk/captor.ts'
import { interceptor, type LayerInterceptor, type MakeLayer } from '../call/layer.ts'
import { type Checks, optional, resolveOptions, withDefault } from '../checks.ts'
import { durationOption, type Filled, integrationOption } from '../options.ts'
import { storeOption } from '../store.ts'
import { type Logger, loggerOption, Reporter } from '../telemetry/reporter.ts'
import type { CaptureContext } from './capture/call-capture.ts'
import { CallsUnderWay } from './capture/calls-under-way.ts'
import { NotReplayableNotices } from './capture/not-replayable-notices.ts'
import { Captures } from './capture/queue/captures.ts'
import { FlushingStore } from './capture/queue/flushing-store.ts'
import { CaptureQueue } from './capture/queue/queue.ts'
import { DeadLetterHandler } from './handler.ts'
import { isInMemory, localDeadLetters } from './local/local-dead-letters.ts'
import {
  checkPlaces,
  deadLetterChecks,
  type DeadLetterOptions,
  type DeadLetterPolicy,
  nameOf,
} from './options.ts'
import { extraUrlRules } from './redact-options.ts'
import type { DeadLetterStore } from './store/store.ts'

export type { DeadLetterOptions } from './options.ts'
export type { RedactOptions } from './redact-options.ts'

/** Options of `deadLetter` used by itself. */
export interface DeadLetterInterceptorOptions extends DeadLetterOptions {
  /** The label on records, events and logs. Default 'default'. */
  integration?: string | undefined
  /** Where records are kept: a store, of which its `deadLetters` are used. Default: this process's memory, 1,000 records. */
  store?: { readonly deadLetters: DeadLetterStore } | undefined
  /** Structured logs of captures and drops. */
  logger?: Logger | undefined
}

/** How a stack is closed. */
export interface CloseOptions {
  /**
   * How long calls that are under way may take to be answered before captures end, in milliseconds; what fails of them is
   * captured. Default 0: what fails of them later is kept nowhere, and a warning says how many there are.
   */
  graceMs?: number | undefined
  /** The longest wait for what is to be stored, in milliseconds. Default 5,000. */
  timeoutMs?: number | undefined
}

/** The interceptor, and what it holds. */
export interface DeadLetterInterceptor extends Dispatcher.DispatcherComposeInterceptor {
  readonly deadLetters: DeadLetterStore
  /** Resolves to whether everything captured so far is kept, in sinks too, within `timeoutMs` (default 5,000). */
  flush(options?: { timeoutMs?: number | undefined }): Promise<boolean>
  /**
   * Stores what was captured, for at most `timeoutMs`, and releases timers. What could not be stored goes to `onDrop`.
   * Calls after it still work, uncaptured. The store and the sinks stay open.
   */
  close(options?: CloseOptions): Promise<void>
}

/**
 * Keeps a record of every call that finally failed, so that it can be looked at and sent again. The caller gets its
 * response or error first and unaltered. Belongs outside `retry`: it captures what is final.
 *
 * @throws TypeError, RangeError naming option, bound and value
 * @example
 * const letters = deadLetter({ integration: 'hubspot', store: sqliteStore('dead-letters.db') })
 * setGlobalDispatcher(new Agent().compose(retry(), letters)) // the last is the outermost
 * const { items } = await letters.deadLetters.list({ reason: 'exhausted' })
 */
export function deadLetter(options: DeadLetterInterceptorOptions = {}): DeadLetterInterceptor {
  const { integration, store, logger, ...policy } = resolveOptions('deadLetter', interceptorChecks, options)
  const letters = store?.deadLetters ?? localDeadLetters()
  checkPlaces('', policy, letters)
  return deadLetterInterceptor(policy, letters, new Reporter(integration, logger), logger)
}

interface InterceptorPolicy extends DeadLetterPolicy {
  readonly integration: string
  readonly store: { readonly deadLetters: DeadLetterStore } | undefined
  readonly logger: Logger | undefined
}

const interceptorChecks: Checks<DeadLetterInterceptorOptions, InterceptorPolicy> = {
  ...deadLetterChecks,
  integration: withDefault(integrationOption, 'default'),
  store: optional((name, value) => storeOption(name, value, 'deadLetters')),
  logger: loggerOption,
}

/** The interceptor of options that are already checked. */
export function deadLetterInterceptor(
  policy: DeadLetterPolicy,
  letters: DeadLetterStore,
  reporter: Reporter,
  logger: Logger | undefined,
): DeadLetterInterceptor & LayerInterceptor {
  const { integration } = reporter
  const common = { ...policy, reporter, logger }
  // memory takes all at once; what it would drain from a shared spool would be kept nowhere else
  const spool = isInMemory(letters) ? undefined : policy.spool
  const queue = new CaptureQueue({ ...common, store: letters, spool })
  const toSinks = policy.sinks.map(
    (sink, at) => new CaptureQueue({ ...common, store: sink, sink: nameOf(sink, at) }),
  )
  const captures = new Captures(queue, toSinks)
  const underWay = new CallsUnderWay()
  const notices = new NotReplayableNotices(reporter)
  const context: CaptureContext = { integration, policy, captures, reporter, notices, underWay }

  const captor: Captor = {
    wantsAll: policy.capture !== undefined,
    answered: () => underWay.ended(),
    capturing: (call, handler) => new DeadLetterHandler(context, call, call.bodyToCapture, handler),
  }

  const urlRules = extraUrlRules(policy.redact)
  const makeLayer: MakeLayer = (next) => (attempt, callOptions, handler) => {
    const { call } = attempt
    if (urlRules !== undefined) call.redactUrlBy(urlRules)
    if (call.scope?.deadLetter === false || !queue.open) return next(attempt, callOptions, handler)
    const recorded = call.recordUpTo(callOptions, policy.maxBodyBytes)
    if (call.captor === undefined && (call as unknown) === handler && !call.finished) {
      call.captor = captor
      call.bodyToCapture = recorded.body
      underWay.began()
      return next(attempt, recorded, handler)
    }
    return next(attempt, recorded, DeadLetterHandler.ofCall(context, call, recorded.body, handler))
  }
  const compose = interceptor(integration, makeLayer, { urlRules })
  return Object.assign(compose, {
    deadLetters: new FlushingStore(letters, queue),
    flush: ({ timeoutMs = 5000 }: { timeoutMs?: number | undefined } = {}) =>
      captures.flush(durationOption('timeoutMs', timeoutMs)),
    async close(closing: CloseOptions = {}): Promise<void> {
      const { graceMs, timeoutMs } = closeTimes(closing)
      if (captures.open && graceMs > 0) await underWay.over(graceMs)
      if (captures.open && underWay.count > 0) warnOfCallsUnderWay(reporter, underWay.count, graceMs)
      await captures.close(timeoutMs)
      // Warnings come out a tick after they were made: a `process.exit()` right after this must not swallow them.
      await new Promise<void>((resolve) => nextTick(resolve))
    },
  })
}

/**
 * How long a stack may take to close.
 * @throws TypeError, RangeError naming option, bound and value
 */
export function closeTimes({ graceMs = 0, timeoutMs = 5_000 }: CloseOptions): Filled<CloseOptions> {
  return {
    graceMs: durationOption('graceMs', graceMs),
    timeoutMs: durationOption('timeoutMs', timeoutMs),
  }
}

function warnOfCallsUnderWay(reporter: Reporter, calls: number, graceMs: number): void {
  const hint = graceMs === 0 ? '`close({ graceMs })` waits for them' : 'they took longer than `graceMs`'
  reporter.advise(
    `calls under way when the stack was closed: ${calls}. What fails of them is not captured; ${hint}`,
    { calls, graceMs },
  )
}

import type { Dispatcher } from 'undici'
import { interceptor, send } from '../call/layer.ts'
import { durationOption, objectOption, stringOption } from '../options.ts'

import { memoryDeadLetters } from '../stores/memory/dead-letters.ts'
import { type Logger, loggerOption, Reporter } from '../telemetry/reporter.ts'
import { CaptureQueue } from './capture-queue.ts'
import { type CaptureContext, DeadLetterHandler } from './handler.ts'
import { OwnCaptures } from './own-captures.ts'
import {
  deadLetterOptionNames,
  type DeadLetterOptions,
  deadLetterStoreOption,
  resolveDeadLetterOptions,
} from './options.ts'
import type { DeadLetterStore } from './store.ts'

export type { DeadLetterOptions, RedactOptions } from './options.ts'

/** Options of `deadLetter` used by itself. */
export interface DeadLetterInterceptorOptions extends DeadLetterOptions {
  /** The integration's name on records, events and logs. Default 'default'. */
  name?: string
  /** Where records are kept: a store, of which its `deadLetters` are used. Default: this process's memory, 1,000 records. */
  store?: { readonly deadLetters: DeadLetterStore }
  /** Structured logs of captures and drops. */
  logger?: Logger
}

/** The interceptor, and what it holds. */
export interface DeadLetterInterceptor extends Dispatcher.DispatcherComposeInterceptor {
  readonly deadLetters: DeadLetterStore
  /** Resolves to whether everything captured so far is kept, within `timeoutMs` (default 5,000). */
  flush(options?: { timeoutMs?: number }): Promise<boolean>
  /**
   * Stores what was captured, for at most `timeoutMs` (default 5,000), and releases timers. What could not be stored
   * goes to `onDrop`. Calls after it still work, uncaptured. The store stays open.
   */
  close(options?: { timeoutMs?: number }): Promise<void>
}

/**
 * Keeps a record of every call that finally failed, so that it can be looked at and sent again. The caller gets its
 * response or error first and unaltered. Belongs outside `retry`: it captures what is final.
 *
 * @throws TypeError, RangeError naming option, bound and value
 * @example
 * const letters = deadLetter({ name: 'hubspot', store: sqliteStore('dead-letters.db') })
 * setGlobalDispatcher(new Agent().compose(retry(), letters)) // the last is the outermost
 * const { items } = await letters.deadLetters.list({ reason: 'exhausted' })
 */
export function deadLetter(options: DeadLetterInterceptorOptions = {}): DeadLetterInterceptor {
  objectOption('deadLetter', options, [...deadLetterOptionNames, 'name', 'store', 'logger'])
  const { name: givenName = 'default', store, logger: givenLogger, ...own } = options
  const name = stringOption('name', givenName)
  const logger = loggerOption('logger', givenLogger)
  const policy = resolveDeadLetterOptions(own)
  const letters =
    store === undefined ? memoryDeadLetters() : deadLetterStoreOption('store.deadLetters', store.deadLetters)
  if (policy.spool === letters)
    throw new TypeError('`spool` must be another store than `store`, got the same')
  const reporter = new Reporter(name, logger)
  const queue = new CaptureQueue({ ...policy, store: letters, reporter, logger })
  const context: CaptureContext = { name, policy, queue, reporter }

  const compose = interceptor((dispatch) => (call, callOptions, handler) => {
    if (call.scope?.deadLetter === false || !queue.open) return dispatch(callOptions, handler)
    const recorded = call.recordUpTo(callOptions, policy.maxBodyBytes)
    return send(dispatch, call, recorded, new DeadLetterHandler(context, call, recorded.body, handler))
  })
  return Object.assign(compose, {
    deadLetters: new OwnCaptures(letters, queue),
    flush: ({ timeoutMs = 5000 }: { timeoutMs?: number } = {}) =>
      queue.flush(durationOption('timeoutMs', timeoutMs)),
    close: ({ timeoutMs = 5000 }: { timeoutMs?: number } = {}) =>
      queue.close(durationOption('timeoutMs', timeoutMs)),
  })
}

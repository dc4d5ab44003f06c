import { types } from 'node:util'
import { asError } from '../errors.ts'
import { PromisedAnswerError, shown } from '../options.ts'
import { TimeLimitError } from '../time/time-limit.ts'
import {
  type AttemptFailedEvent,
  type BulkheadRefusedEvent,
  type BulkheadWaitingEvent,
  type CallGivenUpEvent,
  channels,
  type CircuitChangedEvent,
  type CooldownStartedEvent,
  type DeadLetterCapturedEvent,
  type DeadLetterDroppedEvent,
  type LimitRefusedEvent,
  type LimitWaitingEvent,
  type ReplayEvent,
  type RetryScheduledEvent,
  type StoreDegradedEvent,
  type TypedChannel,
} from './channels.ts'
import { toldError } from './told-error.ts'

/** What we need of a logger: pino's has it, and so has any that takes an object and a message. */
export interface Logger {
  info(context: object, message: string): void
  warn(context: object, message: string): void
  error(context: object, message: string): void
}

export function loggerOption(name: string, value: unknown): Logger | undefined {
  if (value === undefined) return undefined
  for (const level of ['info', 'warn', 'error'] as const) {
    if (typeof (value as Partial<Logger> | null)?.[level] !== 'function') {
      throw new TypeError(
        `\`${name}\` must have the methods info, warn and error, as pino's has; got ${describe(value)}`,
      )
    }
  }
  return value as Logger
}

function describe(value: unknown): string {
  return typeof value === 'object' && value !== null ? 'an object without them' : shown(value)
}

/** What the one line of a lost call says beside the event of its dead letter. */
export interface Loss {
  /** Why no further attempt was made, in words, where the reason does not say it itself. */
  readonly why?: string | undefined
  readonly error?: Error | undefined
}

/** What a line says of a call whose dead letter is dropped. */
export interface DroppedCall
  extends
    Loss,
    Pick<DeadLetterCapturedEvent, 'method' | 'url' | 'attempts' | 'statusCode' | 'code' | 'labels'> {
  /** Why it was to be kept; the `reason` of the line is that of the drop. */
  readonly callReason: string
}

/** What became of a replay that will not go on by itself. */
const needsAPerson: ReadonlySet<string> = new Set(['refused', 'quarantined', 'in-doubt', 'corrupt'])

/**
 * Tells what happened to the `diagnostics_channel` of each event and to the logger of one stack. Ask `hears(channel)`
 * before building an event: nothing is paid for when nobody listens.
 */
export class Reporter {
  readonly integration: string
  readonly #logger: Logger | undefined

  constructor(integration: string, logger?: Logger) {
    this.integration = integration
    this.#logger = logger
  }

  /** Whether there is a logger. */
  get logs(): boolean {
    return this.#logger !== undefined
  }

  hears(channel: { readonly hasSubscribers: boolean }): boolean {
    return this.#logger !== undefined || channel.hasSubscribers
  }

  attemptFailed(event: AttemptFailedEvent): void {
    publish(channels.attemptFailed, event)
    this.#log('warn', { ...event }, 'attempt failed')
  }

  retryScheduled(event: RetryScheduledEvent): void {
    publish(channels.retryScheduled, event)
    this.#log('info', { ...event }, 'retry scheduled')
  }

  /** @param teller whose line of its dead letter tells of the loss already: one logger gets one line for each lost call */
  callGivenUp(event: CallGivenUpEvent, teller?: Reporter): void {
    publish(channels.callGivenUp, event)
    if (teller !== undefined && teller.#logger === this.#logger) return
    const { why, ...fields } = event
    this.#log(
      event.reason === 'circuit-open' ? 'warn' : 'error',
      fields,
      `call given up: ${event.reason}${why === undefined ? '' : `: ${why}`}`,
    )
  }

  deadLetterCaptured(event: DeadLetterCapturedEvent, loss: Loss): void {
    publish(channels.deadLetterCaptured, event)
    const message = event.replayable
      ? 'dead letter captured'
      : `dead letter captured, not replayable: ${event.notReplayableReason}`
    this.#log('error', { ...event, ...loss, deadLetterId: event.id }, message)
  }

  deadLetterDropped(event: DeadLetterDroppedEvent, call: DroppedCall): void {
    publish(channels.deadLetterDropped, event)
    this.#log('error', { ...call, ...event, deadLetterId: event.id }, `dead letter dropped: ${event.reason}`)
  }

  replayed(event: ReplayEvent): void {
    publish(channels.replayed, event)
    // a logger takes `message` and `msg` for its own sentence
    const { message, ...fields } = event
    const why = message === undefined ? {} : { why: message }
    const level = needsAPerson.has(event.outcome) ? 'warn' : 'info'
    this.#log(level, { ...fields, ...why, deadLetterId: event.id }, `dead letter replayed: ${event.outcome}`)
  }

  /** Only logs: how many dead letters are due of origins that a replay may not send to. */
  dueElsewhere(origins: Readonly<Record<string, number>>): void {
    this.#log(
      'warn',
      { origins, integration: this.integration },
      'dead letters are due of origins that are not in `allowedOrigins`',
    )
  }

  /** Only logs: how many dead letters a replay leaves alone. */
  setAside(counts: object): void {
    this.#log(
      'warn',
      { ...counts, integration: this.integration },
      'dead letters are set aside: they wait for a person',
    )
  }

  /** Only logs: the store that made the transition publishes it. */
  circuitChanged(event: CircuitChangedEvent): void {
    this.#log(
      event.to === 'open' ? 'error' : 'info',
      { ...event, circuit: event.key, integration: this.integration },
      `circuit ${event.from} -> ${event.to}`,
    )
  }

  limitWaiting(event: LimitWaitingEvent, by: LimitRefusedEvent['refusedBy']): void {
    publish(channels.limitWaiting, event)
    this.#log(
      'info',
      { ...event },
      `waits ${by === 'provider' ? 'as its provider asked' : 'for its rate limit'}`,
    )
  }

  limitRefused(event: LimitRefusedEvent): void {
    publish(channels.limitRefused, event)
    this.#log(
      'warn',
      { ...event },
      `refused by the ${event.refusedBy === 'provider' ? 'cool-down' : 'rate limit'}`,
    )
  }

  bulkheadWaiting(event: BulkheadWaitingEvent): void {
    publish(channels.bulkheadWaiting, event)
    this.#log('info', { ...event }, 'waits for a slot of its bulkhead')
  }

  bulkheadRefused(event: BulkheadRefusedEvent): void {
    publish(channels.bulkheadRefused, event)
    this.#log('warn', { ...event }, 'refused by its bulkhead')
  }

  /** Only logs: the store publishes it. */
  cooldownStarted(event: CooldownStartedEvent): void {
    this.#log(
      'warn',
      { ...event, integration: this.integration },
      'the provider asked to wait: calls are held back',
    )
  }

  /** Only logs: the store publishes it. */
  storeDegraded(event: StoreDegradedEvent): void {
    this.#log(
      event.degraded ? 'error' : 'info',
      { ...event, integration: this.integration },
      event.degraded
        ? `${event.store} ${lossOf(event.error)}: circuits go on locally`
        : `${event.store} answers again`,
    )
  }

  /**
   * What a hook of the user says; where it throws, that is told and `fallback` holds, since a hook must not fail the
   * call. Its arguments are handed in apart, so that no call pays for a closure.
   */
  guard<Arguments extends readonly unknown[], Said, Fallback>(
    hook: string,
    fallback: Fallback,
    ask: (...given: Arguments) => Said,
    ...given: Arguments
  ): Said | Fallback {
    try {
      const said = ask(...given)
      // of one that only hears of something: nobody waits for it, and a rejection would end the process
      if (types.isPromise(said)) said.catch((error: unknown) => this.hookFailed(hook, error))
      return said
    } catch (error) {
      this.hookFailed(hook, error)
      return fallback
    }
  }

  /** What a person should change, or know of: said where there is no logger too. */
  advise(message: string, context: object): void {
    if (this.#logger === undefined) process.emitWarning(`undici-resilience: ${message}`, 'ResilienceWarning')
    else this.#log('warn', { ...context, integration: this.integration }, message)
  }

  /** Something of the user's own failed, a hook that threw: said, since it must not fail the call. */
  hookFailed(hook: string, error: unknown): void {
    if (error instanceof PromisedAnswerError && error.told) return
    if (this.#logger === undefined) {
      process.emitWarning(`\`${hook}\` threw: ${String(error)}`, 'ResilienceWarning')
    } else {
      this.#log('error', { hook, error: asError(error), integration: this.integration }, `\`${hook}\` threw`)
    }
  }

  #log(
    level: keyof Logger,
    event: { error?: Error | undefined; [name: string]: unknown },
    message: string,
  ): void {
    if (this.#logger === undefined) return
    const { error, ...context } = event
    try {
      // pino serialises what it finds under `err`
      this.#logger[level](error === undefined ? context : { ...context, err: toldError(error) }, message)
    } catch (failure) {
      process.emitWarning(`the logger threw: ${String(failure)}`, 'ResilienceWarning')
    }
  }
}

/** A server that is there and late is not out of reach. */
function lossOf(error: Error | undefined): string {
  const late = error instanceof TimeLimitError || error?.message === 'Command timed out'
  return late ? 'does not answer in time' : 'cannot be reached'
}

function publish<T extends object>(channel: TypedChannel<T>, event: T): void {
  if (!channel.hasSubscribers) return
  const { error } = event as { error?: Error | undefined }
  channel.publish(error === undefined ? event : { ...event, error: toldError(error) })
}

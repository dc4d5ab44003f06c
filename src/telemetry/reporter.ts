import {
  type AttemptFailedEvent,
  type CallGivenUpEvent,
  channels,
  type CircuitChangedEvent,
  type DeadLetterCapturedEvent,
  type DeadLetterDroppedEvent,
  type ReplayEvent,
  type RetryScheduledEvent,
  type StoreDegradedEvent,
  type TypedChannel,
} from './channels.ts'

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
  return typeof value === 'object' && value !== null ? 'an object without them' : String(value)
}

/**
 * Tells what happened to the `diagnostics_channel` of each event and to the logger of one stack. Ask `hears...` before
 * building an event: nothing is paid for when nobody listens.
 */
export class Reporter {
  readonly integration: string
  readonly #logger: Logger | undefined

  constructor(integration: string, logger?: Logger) {
    this.integration = integration
    this.#logger = logger
  }

  hears(channel: { readonly hasSubscribers: boolean }): boolean {
    return this.#logger !== undefined || channel.hasSubscribers
  }

  attemptFailed(event: AttemptFailedEvent): void {
    publish(channels.attemptFailed, event)
    this.#log('warn', { ...event }, `attempt ${event.attempt} failed`)
  }

  retryScheduled(event: RetryScheduledEvent): void {
    publish(channels.retryScheduled, event)
    this.#log('info', { ...event }, `attempt ${event.attempt + 1} in ${event.delayMs} ms`)
  }

  callGivenUp(event: CallGivenUpEvent): void {
    publish(channels.callGivenUp, event)
    this.#log(
      event.reason === 'circuit-open' ? 'warn' : 'error',
      { ...event },
      `call given up after ${event.attempt} attempt${event.attempt === 1 ? '' : 's'}: ${event.reason}`,
    )
  }

  deadLetterCaptured(event: DeadLetterCapturedEvent): void {
    publish(channels.deadLetterCaptured, event)
    this.#log('error', { ...event, deadLetterId: event.id }, 'dead letter captured')
  }

  deadLetterDropped(event: DeadLetterDroppedEvent): void {
    publish(channels.deadLetterDropped, event)
    this.#log('error', { ...event, deadLetterId: event.id }, `dead letter dropped: ${event.reason}`)
  }

  replayed(event: ReplayEvent): void {
    publish(channels.replayed, event)
    this.#log('info', { ...event, deadLetterId: event.id }, `dead letter replayed: ${event.outcome}`)
  }

  /** Only logs: the store that made the transition publishes it. */
  circuitChanged(event: CircuitChangedEvent): void {
    this.#log(
      event.to === 'open' ? 'error' : 'info',
      { ...event, circuit: event.key, integration: this.integration },
      `circuit ${event.from} -> ${event.to}`,
    )
  }

  /** Only logs: the store publishes it. */
  storeDegraded(event: StoreDegradedEvent): void {
    this.#log(
      event.degraded ? 'error' : 'info',
      { ...event, integration: this.integration },
      event.degraded
        ? `${event.store} unreachable: circuits go on locally`
        : `${event.store} reachable again`,
    )
  }

  /** Something of the user's own failed, a hook that threw: said, since it must not fail the call. */
  hookFailed(hook: string, error: unknown): void {
    if (this.#logger === undefined)
      process.emitWarning(`\`${hook}\` threw: ${String(error)}`, 'ResilienceWarning')
    else
      this.#log('error', { hook, error: asError(error), integration: this.integration }, `\`${hook}\` threw`)
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
      this.#logger[level](error === undefined ? context : { ...context, err: error }, message)
    } catch (failure) {
      process.emitWarning(`the logger threw: ${String(failure)}`, 'ResilienceWarning')
    }
  }
}

function publish<T>(channel: TypedChannel<T>, event: T): void {
  if (channel.hasSubscribers) channel.publish(event)
}

function asError(value: unknown): Error {
  return value instanceof Error ? value : new Error(String(value))
}

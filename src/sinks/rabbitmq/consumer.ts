import { type Checks, duration, resolveOptions, withDefault } from '../../checks.ts'
import { Outage } from '../../dead-letter/capture/queue/outage.ts'
import { booleanOption, durationOption, functionOption, stringOption } from '../../options.ts'
import { type CheckedOneOptions, planOfOne } from '../../replay.ts'
import { Reporter } from '../../telemetry/reporter.ts'
import { systemScheduler } from '../../time/clock.ts'
import { isDoneWithin } from '../../time/time-limit.ts'
import { concurrencyCheck, consumerChecks, type DeadLetterConsumerOptions } from '../consumer/options.ts'
import { Turns } from '../consumer/turn.ts'
import { connectOption, type RabbitmqChannel, type RabbitmqConnect, type RabbitmqMessage } from './client.ts'
import { Deliveries } from './deliveries.ts'
import { RabbitmqError } from './error.ts'
import { Link, type OpenChannel } from './link.ts'
import { waitQueues } from './wait-queues.ts'

/** Options of `rabbitmqConsumer`. */
export interface RabbitmqConsumerOptions extends DeadLetterConsumerOptions {
  /** The queue of the dead letters. It must be there, or be declared by `setup`. */
  queue: string
  /** Where messages go that a person has to decide on. Default `<queue>.parked`. */
  parkQueue?: string | undefined
  /** Messages in hand at the same time: what the broker hands out before it hears of one. Default 4. */
  concurrency?: number | undefined
  /**
   * Declares the queues `<queue>.wait.<seconds>s`, in which messages wait, and `parkQueue`, which needs the right to
   * configure them. Default true; with `false` they must be there (docs/queues.md has their arguments).
   */
  declare?: boolean | undefined
  /** Called with each new channel, before it is used. */
  setup?: ((channel: RabbitmqChannel) => PromiseLike<unknown>) | undefined
  /** How long the confirm of a message that is handed on may take, in milliseconds. Default 10,000. */
  confirmTimeoutMs?: number | undefined
  /** How long connecting may take, in milliseconds. Default 10,000. */
  connectTimeoutMs?: number | undefined
}

/** A consumer that runs. */
export interface RabbitmqConsumer {
  /**
   * Takes no more messages, waits for those in hand for at most `timeoutMs` (default 30,000), and ends what it opened. What
   * is still being sent then is handed out again by the broker, as redelivered.
   */
  close(options?: { timeoutMs?: number | undefined }): Promise<void>
}

interface RabbitmqConsumerPolicy extends CheckedOneOptions {
  readonly queue: string
  readonly parkQueue: string
  readonly declare: boolean
  readonly setup: RabbitmqConsumerOptions['setup']
  readonly confirmTimeoutMs: number
  readonly connectTimeoutMs: number
}

const rabbitmqConsumerChecks: Checks<
  RabbitmqConsumerOptions & { redelivered?: undefined },
  RabbitmqConsumerPolicy
> = {
  ...consumerChecks,
  concurrency: concurrencyCheck,
  queue: stringOption,
  parkQueue: withDefault(stringOption, ({ queue }) => `${queue}.parked`),
  declare: withDefault(booleanOption, true),
  setup: functionOption,
  confirmTimeoutMs: withDefault(duration({ min: 1 }), 10_000),
  connectTimeoutMs: withDefault(duration({ min: 1 }), 10_000),
}

/**
 * Sends the dead letters of a queue, by the rules of `replayDeadLetter`: allowed origins, credentials, keys, in doubt. What
 * the server took is acknowledged; what has to wait goes through wait queues, never back to the head by `nack`; what a
 * person has to decide on goes to `parkQueue`, with the headers `x-parked` (`in-doubt` or `quarantined`) and `x-note`. A
 * message that the broker hands out again, since a consumer was lost with it, is parked where it must not be sent twice;
 * any other waits and uses up a replay. A consumer that loses its connection makes it anew.
 *
 * @param connect makes a connection, `() => amqp.connect(url)`, closed by `close`; or a connection that stays yours
 * @throws TypeError, RangeError naming option, bound and value
 * @example
 * const consumer = rabbitmqConsumer(() => amqp.connect(url), {
 *   queue: 'dead-letters',
 *   allowedOrigins: ['https://api.hubapi.com'],
 *   credentials: () => ({ authorization: `Bearer ${token}` }),
 * })
 * process.on('SIGTERM', () => void consumer.close())
 */
export function rabbitmqConsumer(
  connect: RabbitmqConnect,
  options: RabbitmqConsumerOptions,
): RabbitmqConsumer {
  const policy = resolveOptions('rabbitmqConsumer', rabbitmqConsumerChecks, options)
  return new Consumer(connectOption('connect', connect), policy)
}

class Consumer implements RabbitmqConsumer {
  readonly #policy: RabbitmqConsumerPolicy
  readonly #link: Link
  readonly #reporter: Reporter
  readonly #deliveries: Deliveries
  readonly #outage = new Outage()
  /** A message could not be ended: that there is a channel again does not say that it can. */
  #isStuck = false
  readonly #closing = new AbortController()
  readonly #inHand = new Set<Promise<void>>()
  #consuming: { readonly open: OpenChannel; readonly tag: string } | undefined
  #cancelRetry: (() => void) | undefined
  #starting: Promise<void>

  constructor(connect: RabbitmqConnect, policy: RabbitmqConsumerPolicy) {
    this.#policy = policy
    const { queue, parkQueue, confirmTimeoutMs } = policy
    this.#reporter = new Reporter('replay', policy.logger)
    this.#link = new Link(connect, policy.connectTimeoutMs, (channel) => this.#prepare(channel))
    const turns = new Turns(planOfOne(policy), this.#reporter, {
      closing: this.#closing.signal,
      mayHoldTwice: true,
    })
    this.#deliveries = new Deliveries(this.#link, turns, { queue, parkQueue, confirmTimeoutMs })
    this.#starting = this.#start()
  }

  async #prepare(channel: RabbitmqChannel): Promise<void> {
    const { queue, parkQueue, declare, setup, concurrency } = this.#policy
    await setup?.(channel)
    if (declare) {
      for (const { name, options } of waitQueues(queue)) await channel.assertQueue(name, options)
      await channel.assertQueue(parkQueue, { durable: true })
    }
    await channel.prefetch(concurrency)
  }

  /** Consumes until the channel is lost. */
  async #start(): Promise<void> {
    try {
      const open = await this.#link.channel()
      const { consumerTag: tag } = await open.channel.consume(this.#policy.queue, (message) => {
        // the queue was deleted: the channel stays, and hands out nothing any more
        if (message === null) this.#link.drop(open, new Error(`the queue ${this.#policy.queue} was deleted`))
        else this.#take(open, message)
      })
      this.#consuming = { open, tag }
      if (!this.#isStuck) this.#works()
      void open.closed.then((error) => this.#lost(error))
    } catch (error) {
      this.#lost(error)
    }
  }

  #works(): void {
    this.#isStuck = false
    if (this.#outage.over()) this.#policy.logger?.info({ queue: this.#policy.queue }, 'RabbitMQ is back')
  }

  #lost(error: unknown): void {
    this.#consuming = undefined
    if (this.#closing.signal.aborted) return
    if (this.#outage.failed()) {
      this.#warn(`consuming dead letters of ${this.#policy.queue} failed: ${String(error)}`)
    }
    this.#cancelRetry = systemScheduler.after(Math.max(0, this.#outage.waitMs), () => {
      this.#starting = this.#start()
    })
  }

  #take(open: OpenChannel, message: RabbitmqMessage): void {
    const taking = this.#deliveries
      .take(open, message)
      .then(
        () => {
          this.#inHand.delete(taking)
          // those that were in hand before come first: one of them may fail as it did
          const isTelling = !message.fields.redelivered || this.#inHand.size === 0
          if (this.#isStuck && isTelling && !open.isClosed) this.#works()
        },
        (error: unknown) => {
          // it is not acknowledged: the broker hands it out again
          if (!(error instanceof RabbitmqError)) this.#reporter.hookFailed('rabbitmqConsumer', error)
          this.#isStuck = true
          this.#link.drop(open, error)
        },
      )
      .finally(() => this.#inHand.delete(taking))
    this.#inHand.add(taking)
  }

  async close({ timeoutMs = 30_000 }: { timeoutMs?: number | undefined } = {}): Promise<void> {
    durationOption('timeoutMs', timeoutMs)
    this.#closing.abort()
    this.#cancelRetry?.()
    await isDoneWithin(this.#starting, Math.min(timeoutMs, 1000))
    const { open, tag } = this.#consuming ?? {}
    if (open !== undefined && tag !== undefined && !open.isClosed) {
      await isDoneWithin(Promise.allSettled([open.channel.cancel(tag)]), 1000)
    }
    await isDoneWithin(Promise.all(this.#inHand), timeoutMs)
    await this.#link.close()
  }

  #warn(message: string): void {
    const { logger, queue } = this.#policy
    if (logger === undefined) process.emitWarning(message, 'ResilienceWarning')
    else logger.warn({ queue }, message)
  }
}

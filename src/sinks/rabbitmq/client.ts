import { shown } from '../../options.ts'

/** What is used of a message of amqplib. */
export interface RabbitmqMessage {
  readonly content: Uint8Array
  readonly fields: { readonly deliveryTag: number; readonly redelivered: boolean }
  readonly properties: {
    readonly messageId?: unknown
    readonly headers?: Readonly<Record<string, unknown>> | undefined
  }
}

/** What is used of a `ConfirmChannel` of amqplib. */
export interface RabbitmqChannel {
  publish(
    exchange: string,
    routingKey: string,
    content: Buffer,
    options: object,
    callback: (error: unknown) => void,
  ): boolean
  assertQueue(queue: string, options?: object): PromiseLike<unknown>
  prefetch(count: number): PromiseLike<unknown>
  consume(
    queue: string,
    listener: (message: RabbitmqMessage | null) => void,
  ): PromiseLike<{ consumerTag: string }>
  cancel(consumerTag: string): PromiseLike<unknown>
  ack(message: RabbitmqMessage): void
  close(): PromiseLike<unknown>
  on(event: 'return', listener: (message: RabbitmqMessage) => void): unknown
  on(event: 'close', listener: () => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
}

/** What is used of a connection of amqplib, a `ChannelModel`. */
export interface RabbitmqConnection<Channel extends RabbitmqChannel = RabbitmqChannel> {
  createConfirmChannel(): PromiseLike<Channel>
  close(): PromiseLike<unknown>
  on(event: 'error', listener: (error: Error) => void): unknown
}

/**
 * How a connection is had: a function that makes one, called again when one is lost, or a connection that somebody else
 * looks after (amqplib's own with `recovery: true`).
 */
export type RabbitmqConnect = (() => PromiseLike<RabbitmqConnection>) | RabbitmqConnection

/**
 * @throws TypeError saying what was meant; no password of an address is shown
 */
export function connectOption(name: string, value: unknown): RabbitmqConnect {
  const facts = (value ?? {}) as { createConfirmChannel?: unknown; connect?: unknown; sendToQueue?: unknown }
  if (typeof value === 'function' || typeof facts.createConfirmChannel === 'function') {
    return value as RabbitmqConnect
  }
  throw new TypeError(
    `\`${name}\` must be a function that connects, as \`() => amqp.connect(url)\`, or a connection of amqplib, got ${foreign(value, facts)}`,
  )
}

function foreign(
  value: unknown,
  { connect, sendToQueue }: { connect?: unknown; sendToQueue?: unknown },
): string {
  if (typeof value === 'string' || value instanceof URL) {
    return `a ${typeof value === 'string' ? 'string' : 'URL'}: hand in \`() => amqp.connect(url)\``
  }
  if (typeof (value as PromiseLike<unknown> | null | undefined)?.then === 'function') {
    return 'a promise: hand in the function that makes it, `() => amqp.connect(url)`'
  }
  if (typeof sendToQueue === 'function') return 'a channel: hand in the connection that it is of'
  if (typeof connect === 'function') return 'amqplib itself: hand in `() => amqp.connect(url)`'
  return shown(value)
}

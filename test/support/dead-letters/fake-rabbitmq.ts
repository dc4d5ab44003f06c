import { EventEmitter } from 'node:events'
import type {
  RabbitmqChannel,
  RabbitmqConnection,
  RabbitmqMessage,
} from '../../../src/sinks/rabbitmq/client.ts'

/** A message that was published to a `FakeRabbitmq`, and what the test answers to it. */
export interface FakePublication {
  readonly routingKey: string
  readonly content: Buffer
  readonly messageId: string
  readonly headers: Readonly<Record<string, unknown>>
  readonly confirm: (error?: Error) => void
  /** Before `confirm`: no queue takes it. */
  readonly giveBack: () => void
}

/** A broker that a test plays: it says what becomes of each message. */
export class FakeRabbitmq {
  readonly published: FakePublication[] = []
  connections = 0
  /** Called with each message that is published. Default: it is confirmed. */
  onPublish: (message: FakePublication, at: number) => void = ({ confirm }) => setImmediate(confirm)
  /** Called with each consumer, and what hands it a message. */
  onConsume: (deliver: FakeDeliver) => void = () => undefined
  acknowledged = 0

  readonly connect = (): Promise<RabbitmqConnection> => {
    this.connections++
    return Promise.resolve(
      Object.assign(new EventEmitter(), {
        createConfirmChannel: () => Promise.resolve(this.#channel()),
        close: () => Promise.resolve(),
      }) as unknown as RabbitmqConnection,
    )
  }

  #channel(): RabbitmqChannel {
    const events = new EventEmitter()
    const channel: Omit<RabbitmqChannel, 'on'> = {
      publish: (_exchange, routingKey, content, options, callback) => {
        const { messageId, headers } = options as Pick<FakePublication, 'messageId' | 'headers'>
        const message: FakePublication = {
          routingKey,
          content,
          messageId,
          headers,
          confirm: (error) => callback(error instanceof Error ? error : null),
          giveBack: () => events.emit('return', { properties: { messageId, headers } }),
        }
        this.published.push(message)
        this.onPublish(message, this.published.length)
        return true
      },
      assertQueue: () => Promise.resolve(),
      prefetch: () => Promise.resolve(),
      cancel: () => Promise.resolve(),
      ack: () => void this.acknowledged++,
      close: () => Promise.resolve(events.emit('close')),
      consume: (_queue, listener) => {
        this.onConsume((content, { redelivered = false, headers = {} } = {}) => {
          listener({
            content: Buffer.from(content),
            fields: { deliveryTag: 1, redelivered },
            properties: { messageId: 'id', headers },
          } satisfies RabbitmqMessage)
        })
        return Promise.resolve({ consumerTag: 'tag' })
      },
    }
    return Object.assign(events, channel) as unknown as RabbitmqChannel
  }
}

/** Hands a message to a consumer of a `FakeRabbitmq`. */
export type FakeDeliver = (
  content: string | Uint8Array,
  facts?: { redelivered?: boolean; headers?: Record<string, unknown> },
) => void

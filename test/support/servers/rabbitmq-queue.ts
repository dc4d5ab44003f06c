import amqp, { type ChannelModel, type ConfirmChannel, type ConsumeMessage } from 'amqplib'

/** A person's look at queues, over a connection of its own. */
export interface QueueLook {
  readonly channel: ConfirmChannel
  /** Takes out what is there. */
  take(queue: string): Promise<ConsumeMessage[]>
  /** 0 for one that is not there. */
  count(queue: string): Promise<number>
  close(): Promise<void>
}

export async function lookAtQueues(url: string): Promise<QueueLook> {
  const connection: ChannelModel = await amqp.connect(url)
  connection.on('error', () => undefined)
  const channel = await connection.createConfirmChannel()
  channel.on('error', () => undefined)
  const count = async (queue: string): Promise<number> => {
    // asking for a queue that is not there closes the channel
    const asking = await connection.createChannel()
    asking.on('error', () => undefined)
    try {
      const { messageCount } = await asking.checkQueue(queue)
      await asking.close()
      return messageCount
    } catch {
      return 0
    }
  }
  return {
    channel,
    count,
    async take(queue) {
      const expected = await count(queue)
      const messages: ConsumeMessage[] = []
      if (expected === 0) return messages
      const { promise, resolve } = Promise.withResolvers<void>()
      const { consumerTag } = await channel.consume(queue, (message) => {
        if (message === null) return
        messages.push(message)
        if (messages.length === expected) resolve()
      })
      await promise
      await channel.cancel(consumerTag)
      channel.ack(messages.at(-1)!, true)
      return messages
    },
    close: () => connection.close(),
  }
}

export const idsOf = (messages: readonly ConsumeMessage[]): string[] =>
  [...new Set(messages.map(({ properties: { messageId } }) => String(messageId)))].sort()

import { randomUUID } from 'node:crypto'
import { withTimeLimit } from '../../time/time-limit.ts'
import { asRabbitmqError, RabbitmqError } from './error.ts'
import { PUBLICATION } from './headers.ts'
import type { Link, OpenChannel } from './link.ts'

/** A message to be published. */
export interface Publication {
  readonly id: string
  readonly exchange: string
  readonly routingKey: string
  readonly content: Buffer
  readonly contentType: string
  readonly headers: Readonly<Record<string, unknown>>
  /** When the call failed, epoch milliseconds. */
  readonly timestamp?: number
}

/**
 * What became of a message. `taken`: it is in a queue, as durably as that promises. `full`: the queue refuses it for now.
 * `returned`: no queue takes it. `unknown`: it was published, and may be in a queue.
 */
type Confirmation = 'taken' | 'full' | 'returned' | 'unknown'

/** What became of a batch. */
interface Published {
  readonly confirmations: readonly Confirmation[]
  /** Why not all of it is known, or what was returned. */
  readonly error?: RabbitmqError
}

/**
 * Publishes messages, and resolves when each is confirmed. A confirm alone is no arrival: one that no queue takes is
 * confirmed too, after it was returned.
 * @throws {RabbitmqError} where there is no channel: nothing was published
 */
export async function publish(
  link: Link,
  messages: readonly Publication[],
  timeoutMs: number,
): Promise<Published> {
  const open = await link.channel()
  const confirmations = messages.map((): Confirmation => 'unknown')
  const all = Promise.all(
    messages.map(async (message, at) => (confirmations[at] = await confirmed(open, message))),
  )
  try {
    await withTimeLimit(all, timeoutMs, 'the confirms of RabbitMQ')
  } catch (error) {
    // the others of the batch may still fail
    all.catch(() => undefined)
    link.drop(open, error)
    return { confirmations: [...confirmations], error: asRabbitmqError(open.error ?? error) }
  }
  const returned = messages[confirmations.indexOf('returned')]
  if (returned === undefined) return { confirmations }
  const { exchange, routingKey } = returned
  const where = `exchange ${JSON.stringify(exchange)} with the routing key ${JSON.stringify(routingKey)}`
  return { confirmations, error: new RabbitmqError(`RabbitMQ: no queue takes messages of ${where}`) }
}

function confirmed(open: OpenChannel, message: Publication): Promise<Confirmation> {
  const { id, exchange, routingKey, content, contentType, headers, timestamp } = message
  const { promise, resolve, reject } = Promise.withResolvers<Confirmation>()
  const publication = randomUUID()
  const options = {
    persistent: true,
    mandatory: true,
    messageId: id,
    type: 'dead-letter',
    contentType,
    headers: { ...headers, [PUBLICATION]: publication },
    ...(timestamp === undefined ? {} : { timestamp: Math.floor(timestamp / 1000) }),
  }
  open.channel.publish(exchange, routingKey, content, options, (error) => {
    const wasReturned = open.returned.delete(publication)
    if (error === null || error === undefined) resolve(wasReturned ? 'returned' : 'taken')
    else if (isNack(error)) resolve('full')
    else reject(error)
  })
  return promise
}

/** amqplib has no other word for it. */
function isNack(error: unknown): boolean {
  return /nacked/.test(String((error as { message?: unknown }).message))
}

import { type Checks, duration, integer, optional, resolveOptions, withDefault } from '../../checks.ts'
import { DEAD_LETTER_MEDIA_TYPE, encodeDeadLetter } from '../../dead-letter/message/message.ts'
import { type DeadLetterRecord, originOf } from '../../dead-letter/record/record.ts'
import { type AddResult, emptyAddResult } from '../../dead-letter/store/add-result.ts'
import type { DeadLetterSink } from '../../dead-letter/store/sink.ts'
import { functionOption, shown, stringOption } from '../../options.ts'
import { MessageTooLargeError } from '../message-too-large.ts'
import { connectOption, type RabbitmqChannel, type RabbitmqConnect } from './client.ts'
import { MAYBE_TWICE } from './headers.ts'
import { Link } from './link.ts'
import { MaybeThere } from './maybe-there.ts'
import { type Publication, publish } from './publish.ts'

const MIB = 1024 * 1024

/** Options of `rabbitmqSink`. */
export interface RabbitmqSinkOptions {
  /** The queue that gets the dead letters, through the default exchange. This, or `exchange` with `routingKey`. */
  queue?: string | undefined
  /** The exchange that gets them. */
  exchange?: string | undefined
  /** The routing key: a string, or made of the record. Default '' with `exchange`. */
  routingKey?: string | ((record: DeadLetterRecord) => string) | undefined
  /**
   * Called with each new channel, before it is used: declare here what should be there. Default: nothing is declared, and
   * what no queue takes waits in the spool or store.
   */
  setup?: ((channel: RabbitmqChannel) => PromiseLike<unknown>) | undefined
  /** What events and the spool know it by. Default `rabbitmq:<queue>`, or `rabbitmq:<exchange>`. */
  name?: string | undefined
  /** How long the confirms of a batch may take, in milliseconds; then the channel is given up. Default 10,000. */
  confirmTimeoutMs?: number | undefined
  /** How long connecting may take, in milliseconds. Default 10,000. */
  connectTimeoutMs?: number | undefined
  /**
   * Larger messages are refused: they stay in the spool or store. Default 16 MiB, the limit of RabbitMQ 4; a broker with a
   * lower `max_message_size` needs it lower.
   */
  maxMessageBytes?: number | undefined
}

interface RabbitmqSinkPolicy {
  readonly queue: string | undefined
  readonly exchange: string | undefined
  readonly routingKey: RabbitmqSinkOptions['routingKey']
  readonly setup: RabbitmqSinkOptions['setup']
  readonly name: string | undefined
  readonly confirmTimeoutMs: number
  readonly connectTimeoutMs: number
  readonly maxMessageBytes: number
}

const rabbitmqSinkChecks: Checks<RabbitmqSinkOptions, RabbitmqSinkPolicy> = {
  queue: optional(stringOption),
  exchange: optional(stringOption),
  routingKey: routingKeyOption,
  setup: functionOption,
  name: optional(stringOption),
  confirmTimeoutMs: withDefault(duration({ min: 1 }), 10_000),
  connectTimeoutMs: withDefault(duration({ min: 1 }), 10_000),
  maxMessageBytes: withDefault(integer({ min: 1024, max: 512 * MIB }), 16 * MIB),
}

function routingKeyOption(
  name: string,
  value: unknown,
  { exchange, queue }: Pick<RabbitmqSinkPolicy, 'exchange' | 'queue'>,
): RabbitmqSinkOptions['routingKey'] {
  if ((queue === undefined) === (exchange === undefined)) {
    const got = queue === undefined ? 'neither' : 'both'
    throw new TypeError(`a sink of RabbitMQ needs \`queue\`, or \`exchange\`, got ${got}`)
  }
  if (value === undefined) return undefined
  if (queue !== undefined) {
    throw new TypeError(`\`${name}\` needs \`exchange\`, got ${shown(value)} without it`)
  }
  if (typeof value === 'string') return value
  return functionOption(name, value)
}

/** A sink of dead letters in RabbitMQ. */
export interface RabbitmqSink extends DeadLetterSink {
  readonly name: string
  readonly remote: true
}

/**
 * Dead letters into RabbitMQ, through amqplib 0.10 or later: persistent messages, with publisher confirms, and `mandatory`, so that what
 * no queue takes is not lost. The message id is the record's id; the headers `integration`, `origin`, `reason` and `delivery`
 * are for routing. A full queue (`x-overflow: reject-publish`), a queue that is not there, a broker that is away: the
 * records wait in the `spool`, or in the store of a forwarder. The connection is made with the first record, and made anew
 * when it is lost.
 *
 * @param connect makes a connection, `() => amqp.connect(url)`, closed by `close`; or a connection that stays yours
 * @throws TypeError, RangeError naming option, bound and value
 * @example
 * const sink = rabbitmqSink(() => amqp.connect('amqp://127.0.0.1'), { queue: 'dead-letters' })
 * const stack = resilience({ deadLetter: { sinks: [sink], spool: sqliteStore('spool.db').deadLetters } })
 */
export function rabbitmqSink(connect: RabbitmqConnect, options: RabbitmqSinkOptions): RabbitmqSink {
  const policy = resolveOptions('rabbitmqSink', rabbitmqSinkChecks, options)
  return new Sink(connectOption('connect', connect), policy)
}

class Sink implements RabbitmqSink {
  readonly name: string
  readonly remote = true
  readonly #policy: RabbitmqSinkPolicy
  readonly #link: Link
  readonly #adding = new Set<Promise<unknown>>()
  readonly #maybeThere = new MaybeThere()

  constructor(connect: RabbitmqConnect, policy: RabbitmqSinkPolicy) {
    this.#policy = policy
    this.name = policy.name ?? `rabbitmq:${policy.queue ?? policy.exchange}`
    this.#link = new Link(connect, policy.connectTimeoutMs, policy.setup)
  }

  async add(records: readonly DeadLetterRecord[]): Promise<AddResult> {
    if (records.length === 0) return emptyAddResult()
    // all of it before any is published: one that is too large must not have the others published twice
    const messages = records.map((record) => this.#messageOf(record))
    const adding = this.#publish(messages)
    this.#adding.add(adding)
    try {
      return await adding
    } finally {
      this.#adding.delete(adding)
    }
  }

  async #publish(messages: readonly Publication[]): Promise<AddResult> {
    for (const { id } of messages) this.#maybeThere.begin(id)
    const isNotThere = ({ id, headers }: Publication): void => {
      // of one that is marked an earlier message may be
      if (headers[MAYBE_TWICE] !== true) this.#maybeThere.isNot(id)
    }
    const { confirmations, error } = await publish(this.#link, messages, this.#policy.confirmTimeoutMs).catch(
      (away: unknown) => {
        messages.forEach(isNotThere)
        throw away
      },
    )
    // what no queue takes is no failure of those that were taken: they would be published again with each try
    const failed = confirmations.includes('unknown') || !confirmations.includes('taken') ? error : undefined
    const result = emptyAddResult()
    messages.forEach((message, at) => {
      const confirmation = confirmations[at]
      if (confirmation === 'taken') result.kept.push(message.id)
      else if (confirmation !== 'unknown') result.refused.push(message.id)
      if (confirmation === 'full' || confirmation === 'returned') isNotThere(message)
      else if (failed !== undefined) this.#maybeThere.comesAgain(message.id)
    })
    if (failed !== undefined) throw failed
    return result
  }

  #messageOf(record: DeadLetterRecord): Publication {
    const { maxMessageBytes, queue, exchange = '', routingKey = '' } = this.#policy
    const { id, integration, reason, delivery, timestamp } = record
    const content = Buffer.from(encodeDeadLetter(record))
    if (content.byteLength > maxMessageBytes) {
      throw new MessageTooLargeError(id, content.byteLength, maxMessageBytes)
    }
    return {
      id,
      exchange,
      routingKey: queue ?? (typeof routingKey === 'string' ? routingKey : routingKey(record)),
      content,
      contentType: DEAD_LETTER_MEDIA_TYPE,
      timestamp,
      headers: {
        integration,
        origin: originOf(record),
        reason,
        delivery,
        ...(this.#maybeThere.has(id) ? { [MAYBE_TWICE]: true } : {}),
      },
    }
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#adding)
    await this.#link.close()
  }
}

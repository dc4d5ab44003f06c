import { DEAD_LETTER_MEDIA_TYPE, encodeDeadLetter } from '../../dead-letter/message/message.ts'
import type { Advice, Turns } from '../consumer/turn.ts'
import type { RabbitmqMessage } from './client.ts'
import { RabbitmqError } from './error.ts'
import { MAYBE_TWICE, PUBLICATION } from './headers.ts'
import type { Link, OpenChannel } from './link.ts'
import { type Publication, publish } from './publish.ts'
import { nextWait, WAIT_LEFT } from './wait-queues.ts'

interface DeliveryPlan {
  readonly queue: string
  readonly parkQueue: string
  readonly confirmTimeoutMs: number
}

/** What comes next: what a turn has come to, or the rest of a wait, with the message as it is. */
type Next = Advice | { readonly then: 'wait'; readonly ms: number; readonly message?: undefined }

/** The turn of one message, which may be handed out more than once before its end is heard of. */
interface Turn {
  /** Once what is to be published is in its queue: `NOTHING`, so that no message is held by it. */
  next: Promise<Next | undefined>
  /** It was published, and may be in its queue: a further copy is marked. */
  mayBeThere: boolean
}

/** Only the acknowledgement is missing. */
const NOTHING = Promise.resolve<Next>({ then: 'forget' })

/** Turns that are remembered, so that a connection that is lost has nothing sent again by the same process. */
const MAX_TURNS = 1000

/** Takes messages that the broker hands out, and ends each: acknowledged when what comes of it is safe. */
export class Deliveries {
  readonly #link: Link
  readonly #turns: Turns
  readonly #plan: DeliveryPlan
  /** By the number of the publication. */
  readonly #known = new Map<string, Turn>()

  constructor(link: Link, turns: Turns, plan: DeliveryPlan) {
    this.#link = link
    this.#turns = turns
    this.#plan = plan
  }

  /** @throws what kept it from being ended: the message is not acknowledged */
  async take(open: OpenChannel, message: RabbitmqMessage): Promise<void> {
    const turn = this.#turnOf(message)
    await this.#handOn(turn, this.#publicationsOf(message, await turn.next))
    turn.next = NOTHING
    if (!open.isClosed) open.channel.ack(message)
  }

  #turnOf(message: RabbitmqMessage): Turn {
    const { redelivered } = message.fields
    const { headers = {} } = message.properties
    const publication = headers[PUBLICATION]
    const known = redelivered ? this.#known.get(String(publication)) : undefined
    if (known !== undefined) return known
    const leftMs = Number(headers[WAIT_LEFT] ?? 0)
    const turn: Turn =
      leftMs > 0
        ? // another consumer may have handed it on already
          { next: Promise.resolve({ then: 'wait', ms: leftMs }), mayBeThere: redelivered }
        : { next: this.#begin(message), mayBeThere: false }
    if (typeof publication !== 'string') return turn
    this.#known.set(publication, turn)
    if (this.#known.size > MAX_TURNS) {
      for (const oldest of this.#known.keys()) {
        this.#known.delete(oldest)
        break
      }
    }
    return turn
  }

  #begin({ content, fields: { redelivered }, properties: { headers } }: RabbitmqMessage): Turn['next'] {
    return this.#turns.take(content, { redelivered, maybeTwice: headers?.[MAYBE_TWICE] === true })
  }

  #publicationsOf(message: RabbitmqMessage, next: Next | undefined): Publication[] {
    if (next === undefined) {
      // handed back by the broker it would look as if it may have been sent
      const copy = this.#copyOf(message, message.content)
      return [{ ...copy, routingKey: this.#plan.queue, headers: ownHeaders(message) }]
    }
    if (next.then === 'forget') return []
    const content = next.message === undefined ? message.content : Buffer.from(encodeDeadLetter(next.message))
    if (next.then === 'wait') return [this.#waiting(message, next.ms, content)]
    const headers = { ...ownHeaders(message), 'x-parked': next.as, 'x-note': next.note.slice(0, 1024) }
    return [{ ...this.#copyOf(message, content), routingKey: this.#plan.parkQueue, headers }]
  }

  #waiting(message: RabbitmqMessage, ms: number, content: Uint8Array): Publication {
    const { name, leftMs } = nextWait(this.#plan.queue, ms)
    const headers = { ...ownHeaders(message), ...(leftMs > 0 ? { [WAIT_LEFT]: leftMs } : {}) }
    return { ...this.#copyOf(message, content), routingKey: name, headers }
  }

  #copyOf({ properties }: RabbitmqMessage, content: Uint8Array): Omit<Publication, 'routingKey' | 'headers'> {
    return {
      id: typeof properties.messageId === 'string' ? properties.messageId : '',
      exchange: '',
      content: Buffer.from(content.buffer, content.byteOffset, content.byteLength),
      contentType: DEAD_LETTER_MEDIA_TYPE,
    }
  }

  /** Before the original is acknowledged: rather twice than not at all. */
  async #handOn(turn: Turn, publications: readonly Publication[]): Promise<void> {
    if (publications.length === 0) return
    const { mayBeThere } = turn
    const marked = publications.map((one): Publication =>
      mayBeThere ? { ...one, headers: { ...one.headers, [MAYBE_TWICE]: true } } : one,
    )
    // it may be handed out again before the confirm comes
    turn.mayBeThere = true
    const { confirmations, error } = await publish(this.#link, marked, this.#plan.confirmTimeoutMs).catch(
      (away: unknown) => {
        turn.mayBeThere = mayBeThere
        throw away
      },
    )
    if (!confirmations.includes('unknown') && !confirmations.includes('taken')) turn.mayBeThere = mayBeThere
    if (error !== undefined) throw error
    if (confirmations.includes('full')) {
      throw new RabbitmqError(`RabbitMQ: the queue ${publications[0]!.routingKey} is full`)
    }
  }
}

/** Those of the sink: what the broker has noted of earlier waits stays behind, and so does what is left of one. */
function ownHeaders({ properties: { headers = {} } }: RabbitmqMessage): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(headers).filter(
      ([name]) => !/^x-(?:death|first-death-|last-death-|delivery-count)/.test(name) && name !== WAIT_LEFT,
    ),
  )
}

import { withTimeLimit } from '../../time/time-limit.ts'
import type { RabbitmqChannel, RabbitmqConnect, RabbitmqConnection } from './client.ts'
import { asRabbitmqError, RabbitmqError } from './error.ts'
import { PUBLICATION } from './headers.ts'

/** A channel with confirms, as long as it is open. */
export class OpenChannel {
  readonly channel: RabbitmqChannel
  /** Numbers of publications that no queue took, of those whose confirms are still to come. */
  readonly returned = new Set<string>()
  readonly #closed = Promise.withResolvers<RabbitmqError>()
  #error: unknown
  #isClosed = false

  constructor(channel: RabbitmqChannel) {
    this.channel = channel
    channel.on('error', (error) => (this.#error = error))
    channel.on('return', ({ properties: { headers } }) => {
      this.returned.add(String(headers?.[PUBLICATION]))
    })
    channel.on('close', () => {
      this.#isClosed = true
      this.#closed.resolve(asRabbitmqError(this.#error ?? new Error('the channel was closed')))
    })
  }

  /** What it was closed for. */
  get error(): unknown {
    return this.#error
  }

  /** It is being closed for this, where nothing was wrong before. */
  failed(error: unknown): void {
    this.#error ??= error
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Resolves, and never rejects, when the channel is closed, by whomever, to why. */
  get closed(): Promise<RabbitmqError> {
    return this.#closed.promise
  }
}

interface Held {
  readonly open: OpenChannel
  /** Ends the channel, and the connection where it was made here. */
  close(): Promise<void>
}

/** The one channel of a sink or consumer: made when it is asked for, and made anew when it was lost. */
export class Link {
  readonly #connect: RabbitmqConnect
  readonly #connectTimeoutMs: number
  readonly #setup: ((channel: RabbitmqChannel) => PromiseLike<unknown>) | undefined
  #opening: Promise<Held> | undefined
  /** What `#opening` has come to. */
  #held: Held | undefined
  #closed = false

  constructor(
    connect: RabbitmqConnect,
    connectTimeoutMs: number,
    setup: ((channel: RabbitmqChannel) => PromiseLike<unknown>) | undefined,
  ) {
    this.#connect = connect
    this.#connectTimeoutMs = connectTimeoutMs
    this.#setup = setup
  }

  /** @throws {RabbitmqError} where there is none to be had */
  async channel(): Promise<OpenChannel> {
    if (this.#closed) throw new RabbitmqError('RabbitMQ: it is closed')
    this.#opening ??= this.#open()
    const opening = this.#opening
    try {
      return (await opening).open
    } catch (error) {
      if (this.#opening === opening) this.#opening = undefined
      throw asRabbitmqError(error)
    }
  }

  /** Gives up a channel that is silent, or on which something failed: the next one is another. */
  drop(open: OpenChannel, error: unknown): void {
    const held = this.#held
    if (held?.open !== open) return
    open.failed(error)
    this.#forget(held)
    void held.close()
  }

  /** Unless another has taken its place already. */
  #forget(held: Held): void {
    if (this.#held !== held) return
    this.#held = undefined
    this.#opening = undefined
  }

  async close(): Promise<void> {
    this.#closed = true
    if (this.#held !== undefined) return this.#held.close()
    // one that is still being made is closed when it is there, and not waited for
    void this.#opening?.then(
      (held) => held.close(),
      () => undefined,
    )
  }

  async #open(): Promise<Held> {
    const opening = this.#connected()
    let held: Held
    try {
      held = await withTimeLimit(opening, this.#connectTimeoutMs, 'connecting to RabbitMQ')
    } catch (error) {
      // one that comes late is of no use to anybody
      void opening.then(
        (late) => late.close(),
        () => undefined,
      )
      throw error
    }
    this.#held = held
    void held.open.closed.then(() => {
      this.#forget(held)
      return held.close()
    })
    return held
  }

  async #connected(): Promise<Held> {
    const own = typeof this.#connect === 'function'
    const connection = typeof this.#connect === 'function' ? await this.#connect() : this.#connect
    // without a listener it would end the process; the channel tells of the loss
    if (own) connection.on('error', () => undefined)
    let open: OpenChannel | undefined
    try {
      const channel = await connection.createConfirmChannel()
      const made = (open = new OpenChannel(channel))
      await this.#setup?.(channel)
      if (made.isClosed) throw await made.closed
      return { open: made, close: () => end(made, own ? connection : undefined) }
    } catch (error) {
      await end(open, own ? connection : undefined)
      throw error
    }
  }
}

async function end(open: OpenChannel | undefined, connection: RabbitmqConnection | undefined): Promise<void> {
  if (open?.isClosed === false) await quietly(() => open.channel.close())
  if (connection !== undefined) await quietly(() => connection.close())
}

/** How long the end of a channel or connection is waited for, in milliseconds: a silent broker answers nothing. */
const END_MS = 1000

/** What is closed already throws at once. */
async function quietly(close: () => PromiseLike<unknown>): Promise<void> {
  try {
    await withTimeLimit(Promise.resolve(close()), END_MS, 'closing', { unref: true })
  } catch {
    // it is closed, or will be when its heartbeat fails
  }
}

import { randomUUID } from 'node:crypto'
import { asError } from '../../errors.ts'
import { withTimeLimit } from '../../time/time-limit.ts'
import type { CircuitMessages } from '../circuit-messages.ts'
import type { ListenClient } from './client.ts'

interface PostgresChannelListener {
  /** Sends a message on the channel, by the pool. */
  notify(message: string): Promise<void>
  /** Messages arrive from now on; those of before may have been missed. */
  subscribed(): void
  /** They do not any longer. */
  lost(): void
}

/** How long a message of our own may take to come back. */
const ECHO_MS = 2_000

/** Begins a message of our own that only shows that messages arrive: no version of the wire. */
const ECHO = 'echo '

/** The longest pause between two tries to listen, in milliseconds. */
const MAX_PAUSE_MS = 5_000
/** A pooler that swallows messages is not going to change soon. */
const SILENT_PAUSE_MS = 5 * 60_000

/** What a listening connection is given up with that never hears anything. */
class SilentError extends Error {
  constructor() {
    super(
      'messages do not arrive: is it a pooler in transaction mode? Give `listen` a client of the server itself',
    )
  }
}

/**
 * The channel on which processes tell each other, over a connection of its own that is made again for ever. Losing it
 * loses pushes alone: the poll goes on.
 */
export class PostgresChannel {
  readonly #name: string
  readonly #connect: () => ListenClient
  readonly #messages: CircuitMessages
  readonly #listener: PostgresChannelListener
  #client: ListenClient | undefined
  #timer: NodeJS.Timeout | undefined
  #echo: { readonly message: string; readonly heard: () => void } | undefined
  #failures = 0
  #closed = false

  constructor(
    name: string,
    connect: () => ListenClient,
    messages: CircuitMessages,
    listener: PostgresChannelListener,
  ) {
    this.#name = name
    this.#connect = connect
    this.#messages = messages
    this.#listener = listener
    void this.#listen()
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    if (this.#client !== undefined) end(this.#client)
  }

  async #listen(): Promise<void> {
    let client: ListenClient | undefined
    let isOver = false
    const lost = (error: unknown): void => {
      if (isOver) return
      isOver = true
      if (client !== undefined) end(client)
      this.#lost(asError(error))
    }
    try {
      client = this.#connect()
      this.#client = client
      client.on('error', lost)
      client.on('end', () => lost(new Error('the connection to PostgreSQL was lost')))
      client.on('notification', ({ payload = '' }) => this.#heard(payload))
      await client.connect()
      await client.query(`LISTEN "${this.#name}"`)
      await this.#untilEcho()
      if (isOver) return
      this.#failures = 0
      this.#messages.subscribed()
      this.#listener.subscribed()
    } catch (error) {
      lost(error)
    }
  }

  /** Through a pooler LISTEN succeeds and nothing ever arrives: only what comes back is proof. */
  async #untilEcho(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#echo = { message: `${ECHO}${randomUUID()}`, heard: resolve }
    await this.#listener.notify(this.#echo.message)
    try {
      await withTimeLimit(promise, ECHO_MS, 'a message', { unref: true })
    } catch {
      throw new SilentError()
    }
  }

  #lost(error: Error): void {
    this.#listener.lost()
    this.#messages.lost(error, error.message)
    if (this.#closed) return
    const isSilent = error instanceof SilentError
    if (isSilent) {
      this.#messages.warn(`circuits are polled, not pushed: on ${this.#name} ${error.message}`)
    }
    const longest = isSilent ? SILENT_PAUSE_MS : Math.min(MAX_PAUSE_MS, 50 * 2 ** this.#failures++)
    this.#timer = setTimeout(() => void this.#listen(), longest * (0.5 + Math.random() / 2))
    this.#timer.unref()
  }

  #heard(message: string): void {
    if (!message.startsWith(ECHO)) this.#messages.heard(message)
    else if (message === this.#echo?.message) this.#echo.heard()
  }
}

/** Ends a client that may be lost already: what it then says is of no interest. */
function end(client: ListenClient): void {
  client.end().catch(() => undefined)
}

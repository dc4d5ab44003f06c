import type { CircuitMessages } from '../../circuit-messages.ts'
import { type Connection, openConnection, type RedisClient } from '../connection.ts'

interface CircuitChannelListener {
  /** Messages arrive from now on; those of before may have been missed. */
  subscribed(): void
  /** The connection was lost. */
  lost(): void
}

/** What ioredis says of a command that was not answered in time; any other failure may come at once. */
const TIMED_OUT = 'Command timed out'

/** The channel on which the scripts tell transitions, over a connection of its own that is made again for ever. */
export class CircuitChannel {
  readonly #name: string
  readonly #messages: CircuitMessages
  readonly #listener: CircuitChannelListener
  readonly #connection: Connection
  readonly #timeoutMs: number
  /** How often in a row it was not answered in time on this connection. */
  #timedOut = 0
  #retry: NodeJS.Timeout | undefined

  constructor(
    source: RedisClient,
    timeoutMs: number,
    name: string,
    messages: CircuitMessages,
    listener: CircuitChannelListener,
  ) {
    this.#name = name
    this.#messages = messages
    this.#listener = listener
    this.#timeoutMs = timeoutMs
    this.#connection = openConnection(source, timeoutMs, {
      up: () => {
        this.#timedOut = 0
        void this.#subscribe()
      },
      down: (error) => this.#lost(error),
    })
    this.#connection.client.on('message', (from: string, message: string) => {
      if (from === name) messages.heard(message)
    })
  }

  close(): void {
    clearTimeout(this.#retry)
    this.#connection.close()
  }

  async #subscribe(): Promise<void> {
    try {
      await this.#connection.client.subscribe(this.#name)
    } catch (error) {
      this.#messages.refused(error as Error)
      if (this.#connection.client.status === 'ready' && (error as Error).message === TIMED_OUT) {
        // the server is busy, or this process: the poll would have to do for good
        this.#subscribeLater()
        return
      }
      // the connection was lost again, and comes up again; or the user may not subscribe, and the poll has to do
      this.#messages.warn(`cannot subscribe to ${this.#name}: ${String(error)}`)
      return
    }
    this.#messages.subscribed()
    this.#listener.subscribed()
  }

  #subscribeLater(): void {
    const ms = this.#timeoutMs * 2 ** Math.min(this.#timedOut++, 5) * (0.5 + Math.random())
    clearTimeout(this.#retry)
    this.#retry = setTimeout(() => void this.#subscribe(), ms)
    this.#retry.unref()
  }

  #lost(error: Error | undefined): void {
    clearTimeout(this.#retry)
    this.#listener.lost()
    this.#messages.lost(error, 'the connection to Redis was lost')
  }
}

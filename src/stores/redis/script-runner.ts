import { StoreClosedError } from '../../dead-letter/store/store-closed.ts'
import { Readiness } from '../readiness.ts'
import { type Connection, openConnection, type RedisClient } from './connection.ts'
import { runScript, type Script } from './script.ts'

/**
 * A connection of its own for dead letters: large payloads do not hold up circuits, and the other way round. A script
 * waits for it; one that it is lost under fails at once, and any other after the timeout at the latest.
 */
export class ScriptRunner {
  readonly #source: RedisClient
  readonly #timeoutMs: number
  readonly #onReady: (client: RedisClient) => void
  #connection: Connection | undefined
  readonly #readiness: Readiness
  /** Ends the scripts under way: ioredis never settles a command whose reply was lost with the connection. */
  readonly #underWay = new Set<(error: Error) => void>()
  #closed = false

  constructor(source: RedisClient, timeoutMs: number, onReady: (client: RedisClient) => void) {
    this.#source = source
    this.#timeoutMs = timeoutMs
    this.#readiness = new Readiness(timeoutMs, 'Redis cannot be reached')
    this.#onReady = onReady
  }

  /** The connected client. Rejects when there is none within the timeout. */
  async client(): Promise<RedisClient> {
    if (this.#closed) throw new StoreClosedError()
    const { client } = this.open()
    await this.#readiness.wait()
    if (this.#closed) throw new StoreClosedError()
    return client
  }

  open(): Connection {
    return (this.#connection ??= openConnection(this.#source, this.#timeoutMs, {
      up: () => {
        this.#readiness.up()
        this.#onReady(this.#connection!.client)
      },
      down: (error) => {
        this.#readiness.down(error)
        this.#endUnderWay(new Error('the connection to Redis was lost', { cause: error }))
      },
    }))
  }

  /** The reply, its strings as Buffers: payloads are bytes. */
  async run(script: Script, keys: readonly string[], args: readonly (string | Buffer)[]): Promise<unknown> {
    const client = await this.client()
    const lost = Promise.withResolvers<never>()
    this.#underWay.add(lost.reject)
    try {
      return await Promise.race([runScript(client, script, { keys, args }, this.#timeoutMs), lost.promise])
    } finally {
      this.#underWay.delete(lost.reject)
    }
  }

  #endUnderWay(error: Error): void {
    for (const end of this.#underWay) end(error)
  }

  close(): void {
    this.#closed = true
    this.#readiness.up()
    this.#connection?.close()
    this.#endUnderWay(new StoreClosedError())
  }
}

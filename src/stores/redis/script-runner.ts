import { StoreClosedError } from '../../dead-letter/store-closed.ts'
import { isCluster, openConnection, type Connection, type RedisClient, withDeadline } from './connection.ts'
import type { Script } from './dead-letter-scripts.ts'

/**
 * A connection of its own for dead letters: large payloads do not hold up circuits, and the other way round. A
 * command waits for it; a command while it is down fails after the timeout at the latest.
 */
export class ScriptRunner {
  readonly #source: RedisClient
  readonly #timeoutMs: number
  readonly #onReady: (client: RedisClient) => void
  #connection: Connection | undefined
  #up = false
  #lastError: Error | undefined
  readonly #waiting = new Set<() => void>()
  #closed = false

  constructor(source: RedisClient, timeoutMs: number, onReady: (client: RedisClient) => void) {
    this.#source = source
    this.#timeoutMs = timeoutMs
    this.#onReady = onReady
  }

  /** The connected client. Rejects when there is none within the timeout. */
  async client(): Promise<RedisClient> {
    if (this.#closed) throw new StoreClosedError()
    const { client } = this.open()
    if (this.#up) return client
    let wake: () => void = () => undefined
    const up = new Promise<void>((resolve) => this.#waiting.add((wake = resolve)))
    try {
      await withDeadline(up, this.#timeoutMs)
    } catch {
      throw new Error('Redis cannot be reached', { cause: this.#lastError })
    } finally {
      this.#waiting.delete(wake)
    }
    if (this.#closed) throw new StoreClosedError()
    return client
  }

  open(): Connection {
    return (this.#connection ??= openConnection(this.#source, this.#timeoutMs, {
      up: () => {
        this.#up = true
        for (const wake of this.#waiting) wake()
        this.#onReady(this.#connection!.client)
      },
      down: (error) => {
        this.#up = false
        this.#lastError = error
      },
    }))
  }

  /** The reply, its strings as Buffers: payloads are bytes. */
  async run(script: Script, keys: readonly string[], args: readonly (string | Buffer)[]): Promise<unknown> {
    const client = await this.client()
    const call = (command: 'EVALSHA' | 'EVAL', text: string): Promise<unknown> =>
      client.callBuffer(command, [text, String(keys.length), ...keys, ...args])
    const task = call('EVALSHA', script.sha).catch((error: unknown) => {
      // forgotten by a restart or SCRIPT FLUSH
      if (error instanceof Error && error.message.startsWith('NOSCRIPT')) return call('EVAL', script.source)
      throw error
    })
    return withDeadline(task, this.#timeoutMs)
  }

  close(): void {
    this.#closed = true
    for (const wake of this.#waiting) wake()
    this.#connection?.close()
  }
}

/** Warns when the server may delete dead letters by itself. */
export async function warnUnlessDurable(client: RedisClient): Promise<void> {
  const nodes = isCluster(client) ? client.nodes('master') : [client]
  for (const node of nodes) {
    const info = await node.info('memory')
    const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1]
    if (policy === undefined || policy === 'noeviction') continue
    process.emitWarning(
      `Redis may delete dead letters to free memory: its maxmemory-policy is ${policy}, not noeviction. ` +
        'Keep dead letters on a server of their own, or set the policy.',
      'ResilienceWarning',
    )
    return
  }
}

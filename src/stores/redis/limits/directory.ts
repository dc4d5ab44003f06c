import { isError } from '../../../errors.ts'
import type { LimitDirectory, StoredCooldown, StoredLimit } from '../../../rate-limit/store.ts'
import { type RedisClient, serversOf } from '../connection.ts'
import { scanKeys } from '../scan.ts'
import { runScriptEach } from '../script.ts'
import type { RedisLimitBackend } from './backend.ts'
import type { LimitLayout } from './layout.ts'
import { limitScripts } from './scripts.ts'

interface RedisLimitDirectoryParts {
  /** The client once commands can be sent; rejects when that takes too long. */
  connected(): Promise<RedisClient>
  readonly backend: RedisLimitBackend
  readonly layout: LimitLayout
  /** The longest that a command may take. */
  readonly timeoutMs: number
}

/** The limits and cool-downs of all processes, read from the keys that the backend uses. */
export class RedisLimitDirectory implements LimitDirectory {
  readonly #parts: RedisLimitDirectoryParts

  constructor(parts: RedisLimitDirectoryParts) {
    this.#parts = parts
  }

  async list(): Promise<StoredCooldown[]> {
    await this.#parts.connected()
    const all = await this.#parts.backend.cooling()
    return all
      .filter(({ ms }) => ms > 0)
      .map(({ id, ms }) => ({ key: id, retryAfterMs: ms }))
      .sort((a, b) => (a.key < b.key ? -1 : 1))
  }

  /** Goes through the whole keyspace in steps. */
  async limits(): Promise<StoredLimit[]> {
    const { layout } = this.#parts
    const client = await this.#parts.connected()
    const found = new Map<string, StoredLimit>()
    for (const server of serversOf(client)) {
      for await (const stateKeys of scanKeys(server, layout.statePattern)) {
        for (const limit of await this.#look(client, stateKeys)) {
          found.set(`${limit.key} ${limit.name}`, limit)
        }
      }
    }
    return [...found.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, limit]) => limit)
  }

  async cool(key: string, ms: number): Promise<number> {
    await this.#parts.connected()
    const { backend } = this.#parts
    return backend.cool(backend.idOf(key), ms)
  }

  async clear(key: string): Promise<void> {
    await this.#parts.connected()
    const { backend } = this.#parts
    await backend.clear(backend.idOf(key))
  }

  async #look(client: RedisClient, stateKeys: readonly string[]): Promise<StoredLimit[]> {
    const { layout, timeoutMs } = this.#parts
    const named = stateKeys.flatMap((key) => layout.namedBy(key) ?? [])
    const runs = named.map(({ id, name }) => ({ keys: layout.keysOf(id, name), args: [] }))
    const replies = await runScriptEach(client, limitScripts.looking, runs, timeoutMs)
    return replies.flatMap((reply, at) => {
      // a key under our name that is no hash is not ours
      if (isError(reply) && !reply.message.includes('WRONGTYPE')) throw reply
      const { id, name } = named[at]!
      const numbers = Array.isArray(reply) ? reply.map(Number) : []
      if (numbers.length < 8 || !numbers.every(Number.isFinite)) return []
      const [limit, windowMs, used, held, live, background, processes, holdMs] = numbers as FoundNumbers
      return [{ key: id, name, limit, windowMs, used, held, waiting: live + background, processes, holdMs }]
    })
  }
}

type FoundNumbers = [
  limit: number,
  windowMs: number,
  used: number,
  held: number,
  live: number,
  background: number,
  processes: number,
  holdMs: number,
]

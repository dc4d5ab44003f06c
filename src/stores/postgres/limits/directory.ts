import type { LimitDirectory, StoredCooldown, StoredLimit } from '../../../rate-limit/store.ts'
import type { PostgresLimitBackend } from './backend.ts'

/** The limits and cool-downs of all processes, read from the tables that the backend uses. */
export class PostgresLimitDirectory implements LimitDirectory {
  readonly #backend: PostgresLimitBackend

  constructor(backend: PostgresLimitBackend) {
    this.#backend = backend
  }

  async list(): Promise<StoredCooldown[]> {
    const all = await this.#backend.cooling()
    return all
      .filter(({ ms }) => ms > 0)
      .map(({ id, ms }) => ({ key: id, retryAfterMs: ms }))
      .sort((a, b) => (a.key < b.key ? -1 : 1))
  }

  async limits(): Promise<StoredLimit[]> {
    const all = await this.#backend.look()
    return all.sort((a, b) => (`${a.key} ${a.name}` < `${b.key} ${b.name}` ? -1 : 1))
  }

  cool(key: string, ms: number): Promise<number> {
    return this.#backend.cool(this.#backend.idOf(key), ms)
  }

  clear(key: string): Promise<void> {
    return this.#backend.clear(this.#backend.idOf(key))
  }
}

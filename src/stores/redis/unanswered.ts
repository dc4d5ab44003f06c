import { SlowStoreError } from '../../circuit/shared/backend.ts'
import { TimeLimitError } from '../../time/time-limit.ts'
import { type Ask, inTime } from './run-each.ts'

/**
 * What a connection was asked and has not answered. When it is given up, the server works on it still, or will, and answers
 * in the order in which it was asked: to ask the same again would be more work for it, and bring no answer sooner.
 */
export class Unanswered {
  /** Ends what is waited for: ioredis settles no command whose reply was lost with the connection. */
  readonly #waiting = new Set<(error: Error) => void>()
  /** What was given up, by kind. */
  #givenUp = new Map<string, number>()

  /** How something of a kind is asked. */
  of(kind: string): Ask {
    return (send, timeoutMs) => this.#ask(kind, send, timeoutMs)
  }

  /** The connection was lost: what was asked over it is never answered. */
  lost(): void {
    this.#givenUp = new Map()
    for (const end of this.#waiting) end(new Error('the connection to Redis was lost'))
  }

  /** @throws {SlowStoreError} after `timeoutMs`, and at once where something of the kind that was given up is unanswered */
  async #ask<T>(kind: string, send: () => Promise<T>, timeoutMs: number): Promise<T> {
    if (this.#givenUp.has(kind)) {
      throw new SlowStoreError('Redis has not answered what it was asked before')
    }
    const lost = Promise.withResolvers<never>()
    this.#waiting.add(lost.reject)
    const reply = send()
    try {
      return await Promise.race([inTime(() => reply, timeoutMs), lost.promise])
    } catch (error) {
      if (!(error instanceof TimeLimitError)) throw error
      this.#giveUp(kind, reply)
      throw new SlowStoreError(error.message)
    } finally {
      this.#waiting.delete(lost.reject)
    }
  }

  #giveUp(kind: string, reply: Promise<unknown>): void {
    const givenUp = this.#givenUp
    givenUp.set(kind, (givenUp.get(kind) ?? 0) + 1)
    const settled = (): void => {
      const left = givenUp.get(kind)! - 1
      if (left > 0) givenUp.set(kind, left)
      else givenUp.delete(kind)
    }
    reply.then(settled, settled)
  }
}

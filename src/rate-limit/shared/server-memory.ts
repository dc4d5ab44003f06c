import type { SlidingWindow } from '../sliding-window.ts'
import type { LimitReply, LimitRequest } from './backend.ts'

/** Whether the server knows what this process used of a limit: one that has lost it is told the history once more. */
export class ServerMemory {
  /** What the server calls that which it knows; empty before it was first heard. */
  #generation = ''
  /** The next exchange tells the history. */
  #isLost = false
  /** The server grants nothing to anybody until then. */
  #heldBackUntil = -Infinity

  get isLost(): boolean {
    return this.#isLost
  }

  /** The server knew this process once, so there is something to lose. */
  get isKnown(): boolean {
    return this.#generation !== ''
  }

  /** What an exchange says of it. */
  told(history: SlidingWindow, now: number): Pick<LimitRequest, 'generation' | 'history'> {
    return this.#isLost
      ? { generation: '', history: [...history.history(now)] }
      : { generation: this.#generation, history: undefined }
  }

  heard({ history }: LimitRequest, { status, generation, holdMs }: LimitReply, now: number): void {
    this.#generation = generation
    this.#isLost = history === undefined && (status === 'lost' || status === 'restate')
    if (holdMs > 0) this.#heldBackUntil = now + holdMs
  }

  /** Whether a message that the server has lost the limit is news. It is said more than once: who is held back has told. */
  isNews(now: number): boolean {
    return this.isKnown && now >= this.#heldBackUntil
  }
}

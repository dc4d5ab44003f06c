/** Ids of each kind are remembered up to so many; then the oldest is forgotten. */
const MAX_IDS = 10_000

/**
 * The records that may be in the queue, so that a further message of one can be marked. Whoever added a record may give up
 * before its confirm, and add it again: one that is being published counts, and so does one that was confirmed lately.
 */
export class MaybeThere {
  readonly #lately = new Set<string>()
  /** Their batch failed: not forgotten for the many that do not. */
  readonly #comeAgain = new Set<string>()

  has(id: string): boolean {
    return this.#lately.has(id) || this.#comeAgain.has(id)
  }

  /** To be called before it is published. */
  begin(id: string): void {
    remember(this.#lately, id)
  }

  /** It is there, or may be, and is told as failed. */
  comesAgain(id: string): void {
    remember(this.#comeAgain, id)
  }

  /** The one message of it is surely not there. */
  isNot(id: string): void {
    this.#lately.delete(id)
    this.#comeAgain.delete(id)
  }
}

function remember(ids: Set<string>, id: string): void {
  ids.add(id)
  if (ids.size <= MAX_IDS) return
  for (const oldest of ids) {
    ids.delete(oldest)
    break
  }
}

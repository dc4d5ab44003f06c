/** What waits in a line. It is a node of it, so that it can leave from the middle. */
export interface InLine {
  /** It is in a line: set by the line alone. */
  inLine: boolean
  previousInLine: InLine | undefined
  nextInLine: InLine | undefined
}

/** First come, first served; who gives up leaves at no cost. */
export class FairQueue<Waiting extends InLine> {
  #first: Waiting | undefined
  #last: Waiting | undefined
  #size = 0

  get size(): number {
    return this.#size
  }

  get first(): Waiting | undefined {
    return this.#first
  }

  add(waiting: Waiting): void {
    waiting.inLine = true
    waiting.previousInLine = this.#last
    waiting.nextInLine = undefined
    if (this.#last === undefined) this.#first = waiting
    else this.#last.nextInLine = waiting
    this.#last = waiting
    this.#size += 1
  }

  /** False when it has left before. */
  remove(waiting: Waiting): boolean {
    if (!waiting.inLine) return false
    waiting.inLine = false
    const { previousInLine: previous, nextInLine: next } = waiting
    if (previous === undefined) this.#first = next as Waiting | undefined
    else previous.nextInLine = next
    if (next === undefined) this.#last = previous as Waiting | undefined
    else next.previousInLine = previous
    waiting.previousInLine = undefined
    waiting.nextInLine = undefined
    this.#size -= 1
    return true
  }

  *[Symbol.iterator](): Generator<Waiting> {
    for (
      let waiting = this.#first;
      waiting !== undefined;
      waiting = waiting.nextInLine as Waiting | undefined
    ) {
      yield waiting
    }
  }
}

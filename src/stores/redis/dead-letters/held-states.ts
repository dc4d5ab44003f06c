/** A state that this process has read last, and the server's time then. */
interface HeldState {
  readonly json: Buffer
  readonly now: number
}

const MAX_HELD = 1000

/**
 * What this process has claimed, as it knows it from the reply to its claim or renewal: ending the claim then takes one
 * exchange. It may have changed meanwhile; the store says so when it is written.
 */
export class HeldStates {
  readonly #held = new Map<string, HeldState & { readonly fence: number; readonly at: number }>()

  remember(id: string, fence: number, { json, now }: HeldState): void {
    this.#held.delete(id)
    // a copy: the reply is a window on all that came with it, which it would keep alive
    this.#held.set(id, { json: Buffer.from(json), now, fence, at: performance.now() })
    if (this.#held.size <= MAX_HELD) return
    for (const oldest of this.#held.keys()) {
      this.#held.delete(oldest)
      return
    }
  }

  /** What is known of the claim, with the time that the server has now; known no longer. */
  take(id: string, fence: number): HeldState | undefined {
    const held = this.#held.get(id)
    if (held?.fence !== fence) return undefined
    this.#held.delete(id)
    return { json: held.json, now: held.now + Math.round(performance.now() - held.at) }
  }
}

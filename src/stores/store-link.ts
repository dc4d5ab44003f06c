/** What else than circuits uses their connections. */
interface LinkListener {
  /** Commands can be sent; also after each reconnection. */
  connected(): void
  /** Messages arrive from now on; those of before may have been missed. */
  subscribed(): void
  /** False for a message that is none of its own. */
  heard(message: string): boolean
}

/** The connections of the circuits of a store, for what is shared beside them: commands, and the channel. */
export class StoreLink {
  readonly channel: string
  /** This process. */
  readonly by: string
  #listener: LinkListener | undefined
  readonly #hearers = new Map<string, Set<() => void>>()
  #up = false
  #subscribed = false

  constructor(channel: string, by: string) {
    this.channel = channel
    this.by = by
  }

  /** Messages arrive. */
  get isSubscribed(): boolean {
    return this.#subscribed
  }

  attach(listener: LinkListener): void {
    this.#listener = listener
    if (this.#up) listener.connected()
    if (this.#subscribed) listener.subscribed()
  }

  /**
   * Calls `heard` when exactly this message comes, and when messages come again: it may have been missed.
   * @returns what ends it
   */
  hear(message: string, heard: () => void): () => void {
    const hearers = this.#hearers.get(message) ?? new Set()
    this.#hearers.set(message, hearers)
    hearers.add(heard)
    return () => hearers.delete(heard)
  }

  connected(): void {
    this.#up = true
    this.#listener?.connected()
  }

  /** Commands cannot be sent. */
  disconnected(): void {
    this.#up = false
  }

  subscribed(): void {
    this.#subscribed = true
    this.#listener?.subscribed()
    for (const hearers of this.#hearers.values()) for (const heard of hearers) heard()
  }

  /** Messages do not arrive any longer. */
  unsubscribed(): void {
    this.#subscribed = false
  }

  /** False for a message about a circuit; `*` begins those about something else, whoever hears them here. */
  heard(message: string): boolean {
    for (const heard of this.#hearers.get(message) ?? []) heard()
    return this.#listener?.heard(message) === true || /^\d+ \*/.test(message)
  }
}

import { decodeMessage, type PushedView } from '../circuit/shared/wire.ts'
import { Readiness } from './readiness.ts'

interface CircuitMessagesListener {
  /** False for a view that cannot be true. */
  pushed(sent: PushedView): boolean
  /** True for a message of something else that shares the channel. */
  other(message: string): boolean
}

/** Who hears what is pushed for as long as the connection stands. */
interface ChannelWatcher {
  pushed(sent: PushedView): void
  lost(error: Error): void
}

/** What arrives on the channel of a store's circuits, whatever carries it: read, and passed on to those who listen. */
export class CircuitMessages {
  readonly #channel: string
  readonly #listener: CircuitMessagesListener
  readonly #subscription: Readiness
  readonly #watchers = new Set<ChannelWatcher>()
  #warned = false

  /** @param failure what a watcher is told that waits in vain */
  constructor(channel: string, timeoutMs: number, failure: string, listener: CircuitMessagesListener) {
    this.#channel = channel
    this.#listener = listener
    this.#subscription = new Readiness(timeoutMs, failure)
  }

  /** Resolves once every message is heard. Returns what ends the watch. */
  async watch(watcher: ChannelWatcher): Promise<() => void> {
    await this.#subscription.wait()
    this.#watchers.add(watcher)
    return () => void this.#watchers.delete(watcher)
  }

  /** Messages arrive from now on. */
  subscribed(): void {
    this.#subscription.up()
  }

  /** They do not yet. */
  refused(error: Error): void {
    this.#subscription.down(error)
  }

  /** They do no longer: who watched is told. */
  lost(error: Error | undefined, said: string): void {
    this.#subscription.down(error)
    const watchers = [...this.#watchers]
    this.#watchers.clear()
    for (const watcher of watchers) watcher.lost(error ?? new Error(said))
  }

  heard(message: string): void {
    if (this.#listener.other(message)) return
    const sent = decodeMessage(message)
    // messages of another version are not for us; the poll tells what they say
    if (sent === undefined || !this.#listener.pushed(sent)) {
      const start = JSON.stringify(message.slice(0, 100))
      this.warn(`ignored a message on ${this.#channel} that is not ours: ${start}`)
      return
    }
    for (const watcher of this.#watchers) watcher.pushed(sent)
  }

  /** Warns of what is wrong with the channel, once. */
  warn(message: string): void {
    if (this.#warned) return
    this.#warned = true
    process.emitWarning(`undici-resilience: ${message}`, 'ResilienceWarning')
  }
}

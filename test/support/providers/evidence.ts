import { inspect } from 'node:util'
import { channels, type Circuits, type DeadLetterStore, type Logger } from '../../../src/index.ts'

/** Everything that leaves a process during the suite: logs, events, errors, records. It is searched for secrets. */
export class Evidence {
  readonly #texts: string[] = []

  /** A logger that keeps what it is told, errors with all their causes. */
  logger(onLine: (message: string) => void = () => undefined): Logger {
    const keep = (context: object, message: string): void => {
      this.add(context, message)
      onLine(message)
    }
    return { info: keep, warn: keep, error: keep }
  }

  add(...what: unknown[]): void {
    for (const one of what) {
      this.#texts.push(
        typeof one === 'string' ? one : inspect(one, { depth: 12, maxStringLength: null, showHidden: true }),
      )
    }
  }

  /** The diagnostics channels of the package, until the returned function is called. */
  listen(): () => void {
    const keep = (event: object): void => this.add(event)
    for (const channel of Object.values(channels)) channel.subscribe(keep)
    return () => {
      for (const channel of Object.values(channels)) channel.unsubscribe(keep)
    }
  }

  /** All records of a store, whole, and its circuits. */
  async addStore(store: {
    readonly circuits: Circuits
    readonly deadLetters: DeadLetterStore
  }): Promise<number> {
    let count = 0
    let cursor: string | undefined
    do {
      const page = await store.deadLetters.list(cursor === undefined ? {} : { cursor })
      for (const { id } of page.items) {
        const record = await store.deadLetters.get(id)
        this.add(record, Buffer.from(record?.request.body ?? []).toString())
        count += 1
      }
      cursor = page.cursor
    } while (cursor !== undefined)
    this.add(store.circuits.list())
    return count
  }

  get size(): number {
    return this.#texts.length
  }

  /** The pieces that hold one of the secrets, as they are, encoded for urls, or in base64 by themselves. */
  holding(secrets: readonly string[]): string[] {
    const forms = secrets.flatMap((secret) => [
      secret,
      encodeURIComponent(secret),
      Buffer.from(secret).toString('base64').replace(/=+$/, ''),
    ])
    return this.#texts.filter((text) => forms.some((form) => text.includes(form)))
  }
}

import { type ChildProcess, fork } from 'node:child_process'
import type { ClientsPlan, Order, Told } from './messages.ts'

/** A process that plays a part of the fleet. */
export class Part {
  readonly #child: ChildProcess
  readonly #told: Told[] = []
  #heard = Promise.withResolvers<void>()

  constructor(plan: ClientsPlan) {
    this.#child = fork(new URL('clients.ts', import.meta.url), [JSON.stringify(plan)])
    this.#child.on('message', (told: Told) => {
      this.#told.push(told)
      this.#heard.resolve()
    })
    this.#child.on('exit', (code) => {
      if (code !== 0) throw new Error(`a part of the fleet ended with ${code}`)
    })
  }

  order(order: Order): void {
    this.#child.send(order)
  }

  async hears<Is extends Told['is']>(is: Is): Promise<Extract<Told, { is: Is }>> {
    for (;;) {
      const at = this.#told.findIndex((told) => told.is === is)
      if (at >= 0) return this.#told.splice(at, 1)[0] as Extract<Told, { is: Is }>
      await this.#heard.promise
      this.#heard = Promise.withResolvers()
    }
  }

  end(): Promise<void> {
    const ended = new Promise<void>((resolve) => void this.#child.once('exit', () => resolve()))
    this.order({ end: true })
    return ended
  }
}

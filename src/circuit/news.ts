import type { View } from './machine.ts'

/**
 * What was pushed of circuits that are not closed, for a process that has not used them yet: its first call is refused
 * too. Bounded: the oldest goes.
 */
export class News {
  readonly #max: number
  readonly #heard = new Map<string, { readonly view: View; readonly at: number }>()

  constructor(max: number) {
    this.#max = max
  }

  note(id: string, view: View, now: number): void {
    const known = this.#heard.get(id)
    if (known !== undefined && known.view.epoch > view.epoch) return
    this.#heard.delete(id)
    if (view.state === 'closed' && view.override === undefined) return
    this.#heard.set(id, { view, at: now })
    for (const oldest of this.#heard.keys()) {
      if (this.#heard.size <= this.#max) break
      this.#heard.delete(oldest)
    }
  }

  /** The view as it is by now. */
  of(id: string, now: number): View | undefined {
    const known = this.#heard.get(id)
    if (known === undefined) return undefined
    const remainingMs = Math.max(0, Math.ceil(known.view.remainingMs - (now - known.at)))
    return { ...known.view, remainingMs }
  }
}

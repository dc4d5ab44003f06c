import type { View } from '../machine/state.ts'

/**
 * Views that were pushed of circuits that are not closed, for a process that has not used them yet: its first call is
 * refused too. Bounded: the oldest goes.
 */
export class PushedViews {
  readonly #max: number
  readonly #views = new Map<string, { readonly view: View; readonly at: number }>()

  constructor(max: number) {
    this.#max = max
  }

  remember(id: string, view: View, now: number): void {
    const known = this.#views.get(id)
    if (known !== undefined && known.view.epoch > view.epoch) return
    this.#views.delete(id)
    if (view.state === 'closed' && view.override === undefined) return
    this.#views.set(id, { view, at: now })
    for (const oldest of this.#views.keys()) {
      if (this.#views.size <= this.#max) break
      this.#views.delete(oldest)
    }
  }

  /** The view as it is by now. */
  viewOf(id: string, now: number): View | undefined {
    const known = this.#views.get(id)
    if (known === undefined) return undefined
    const remainingMs = Math.max(0, Math.ceil(known.view.remainingMs - (now - known.at)))
    return { ...known.view, remainingMs }
  }
}

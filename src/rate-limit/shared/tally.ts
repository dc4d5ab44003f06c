/**
 * What a process used of a limit since it began, as it is told to the server: in sums, so that a lost reply changes
 * nothing.
 */
export class Tally {
  used = 0
  /** Of these: what the server has acknowledged. */
  usedKnown = 0
  returned = 0
  returnedKnown = 0
  /** When it last used some. */
  usedAt = -Infinity
  #usedSent = 0

  /** Whether there is something that the server has not heard. */
  get hasNews(): boolean {
    return this.used > this.usedKnown
  }

  /** Units that were used and not told to anybody yet are simply not used; what was told has to be told back. */
  unused(units: number): 'never-told' | 'told' {
    if (this.used - this.#usedSent < units) return 'told'
    this.used -= units
    return 'never-told'
  }

  /** All that is used by now is being told. */
  tell(): void {
    this.#usedSent = this.used
  }

  heard({ used, returned }: { readonly used: number; readonly returned: number }): void {
    this.usedKnown = Math.max(this.usedKnown, used)
    this.returnedKnown = Math.max(this.returnedKnown, returned)
  }
}

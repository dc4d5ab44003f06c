/** A place in the budget, held from before anything of a call is copied until its record is durable or dropped. */
export interface Reservation {
  readonly bytes: number
  /** What it turned out to take. */
  resize(bytes: number): void
  /** Gives the place back. May be called twice. */
  readonly release: () => void
}

/** What captures may hold in memory: so many records, and so many bytes, at the same time. */
export class CaptureBudget {
  readonly #maxRecords: number
  readonly #maxBytes: number
  #records = 0
  #bytes = 0

  constructor(maxRecords: number, maxBytes: number) {
    this.#maxRecords = maxRecords
    this.#maxBytes = maxBytes
  }

  /** A place for one record; `undefined` when there is no room for it. */
  reserve(bytes: number): Reservation | undefined {
    if (this.#records >= this.#maxRecords || this.#bytes + bytes > this.#maxBytes) return undefined
    this.#records++
    this.#bytes += bytes
    let held = bytes
    let released = false
    return {
      get bytes() {
        return held
      },
      resize: (to) => {
        if (released) return
        this.#bytes += to - held
        held = to
      },
      release: () => {
        if (released) return
        released = true
        this.#records--
        this.#bytes -= held
      },
    }
  }
}

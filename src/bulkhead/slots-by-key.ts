import type { AimdPolicy } from './aimd.ts'
import { Slots } from './slots.ts'

/** Keys that are remembered while none of their calls is there: for their mean response times. */
const MAX_IDLE_KEYS = 1_000

/** The slots of each key of one bulkhead: made on demand. Beyond the bound a key is forgotten once it is idle. */
export class SlotsByKey {
  readonly #limit: number
  readonly #adaptive: AimdPolicy | undefined
  readonly #all = new Map<string, Slots>()

  constructor(limit: number, adaptive?: AimdPolicy) {
    this.#limit = limit
    this.#adaptive = adaptive
  }

  get size(): number {
    return this.#all.size
  }

  of(key: string): Slots {
    return this.#all.get(key) ?? this.#make(key)
  }

  #make(key: string): Slots {
    const slots = new Slots(key, this.#limit, this.#adaptive, this.#idle)
    this.#all.set(key, slots)
    return slots
  }

  readonly #idle = (slots: Slots): void => {
    // told twice perhaps, and the key may have newer ones by then
    if (this.#all.size > MAX_IDLE_KEYS && this.#all.get(slots.key) === slots) this.#all.delete(slots.key)
  }
}

import {
  comparableName,
  isNamedIn,
  isSecretInside,
  isSecretName,
  mayNameSecret,
} from '../../../http/secrets/secret-names.ts'

/** The largest JSON or form in which secrets are looked for, in bytes. */
export const MAX_READ_BYTES = 1024 * 1024

/**
 * The work that one body may take: it is done in one go, and must not hold the event loop for more than about 20 ms.
 * A name costs 1, which is about 300 ns.
 */
const MAX_WORK = 60_000

/** What else costs: more than a name, or for each character. */
export const COST = {
  pair: 1,
  escaped: 4,
  escapedChar: 1 / 12,
  malformed: 60,
  edit: 3,
  document: 4,
  container: 1 / 3,
  url: 4,
  urlChar: 1 / 12,
  urlPart: 1 / 2,
  part: 20,
  headChar: 1 / 8,
  decodedByte: 1 / 64,
}

/** Names with a word of a secret in them: each different one is taken apart, which takes some microseconds. */
const MAX_CLOSE_LOOKS = 2_000

/** Documents inside documents. */
const MAX_INSIDE = 4

/** Thrown where a body that may hold a secret takes too long, or cannot be taken apart. */
export class UnreadableBodyError extends Error {}

/** The names that are secret in one body, and how much of it may still be looked at. */
export class FieldNames {
  readonly #ofUser: ReadonlySet<string>
  readonly #known = new Map<string, boolean>()
  #looks = MAX_CLOSE_LOOKS
  #chars = 2 * MAX_READ_BYTES
  #work = MAX_WORK
  #inside = 0

  constructor(ofUser: ReadonlySet<string>) {
    this.#ofUser = ofUser
  }

  isSecret(name: string): boolean {
    if (this.#ofUser.size === 0 && !mayNameSecret(name, 'body')) return false
    let secret = this.#known.get(name)
    if (secret === undefined) {
      if (this.#looks-- <= 0) throw new UnreadableBodyError()
      secret = isSecretName(name, 'body') || isNamedIn(this.#ofUser, name)
      this.#known.set(name, secret)
    }
    return secret
  }

  isSecretInside(outer: string, name: string): boolean {
    return (
      isSecretInside(outer, name) ||
      (this.#ofUser.size > 0 && this.#ofUser.has(comparableName(`${outer}.${name}`)))
    )
  }

  /** Whether a text that cannot be taken apart may have a secret in it. */
  mayHold(text: string): boolean {
    if (mayNameSecret(text, 'body') || /\\u00|%[4-7]|:\/\/[^\s/?#]*@/i.test(text)) return true
    if (this.#ofUser.size === 0) return false
    const comparable = comparableName(text)
    return [...this.#ofUser].some((name) => comparable.includes(name)) || /\\u|%/.test(text)
  }

  /**
   * Looks into a document inside the one in hand; `untouched` where it is nested too deep and has no word of a secret.
   * @throws {UnreadableBodyError}
   */
  within<T>(text: string, untouched: T, look: () => T): T {
    this.work(COST.document)
    this.read(text.length)
    if (this.#inside === MAX_INSIDE) {
      if (this.mayHold(text)) throw new UnreadableBodyError()
      return untouched
    }
    this.#inside++
    try {
      return look()
    } finally {
      this.#inside--
    }
  }

  /** @throws {UnreadableBodyError} when there is too much to read, documents inside documents counted again */
  read(chars: number): void {
    if ((this.#chars -= chars) < 0) throw new UnreadableBodyError()
  }

  /** @throws {UnreadableBodyError} when there is too much to do */
  work(cost: number): void {
    if ((this.#work -= cost) < 0) throw new UnreadableBodyError()
  }
}

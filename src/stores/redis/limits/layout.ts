import { circuitId } from '../../../circuit/shared/wire.ts'
import { keyPrefixOf, type RedisClient } from '../connection.ts'
import { escapeGlob } from '../glob.ts'

/** Of what is written: changed when two releases would not understand each other. */
const VERSION = 1

/** What the keys of limits are called. What is in the keys, the headers of the scripts say. */
export class LimitLayout {
  /** Cool-downs of all keys. */
  readonly coolingKey: string
  /** What the states of all limits are called, for SCAN. */
  readonly statePattern: string
  readonly #prefix: string

  /** @param prefix of `redisStore`; the client's own `keyPrefix` comes before it */
  constructor(client: RedisClient, prefix: string) {
    this.#prefix = `${keyPrefixOf(client)}${prefix}:${VERSION}:limits:`
    this.coolingKey = `${this.#prefix}cooling`
    this.statePattern = `${escapeGlob(this.#prefix)}{*}:*:s`
  }

  /** Keys are named as circuits are. */
  idOf(key: string): string {
    return circuitId(key)
  }

  /** The limit whose state a key is; `undefined` for any other key. */
  namedBy(stateKey: string): { readonly id: string; readonly name: string } | undefined {
    const found = /^\{(.+)\}:([^{}:]+):s$/.exec(stateKey.slice(this.#prefix.length))
    return found === null ? undefined : { id: found[1]!, name: found[2]! }
  }

  /** In the order in which the script takes them. One hash tag: on a cluster they lie on one node. */
  keysOf(id: string, name: string): [usage: string, leases: string, state: string, expiries: string] {
    const base = `${this.#prefix}{${id}}:${name}`
    return [`${base}:u`, `${base}:p`, `${base}:s`, `${base}:e`]
  }
}

import { WIRE_VERSION } from '../../../circuit/shared/wire.ts'
import { isCluster, keyPrefixOf, type RedisClient } from '../connection.ts'
import { escapeGlob } from '../glob.ts'

/** What the keys and the channel of circuits are called. What is in the keys, the headers of the scripts say. */
export class CircuitLayout {
  /** Transitions are told here. Pub/sub knows no databases, keys do. */
  readonly channel: string
  /** A glob that the state keys of all circuits match. */
  readonly statePattern: string
  readonly #prefix: string

  /** @param prefix of `redisStore`; the client's own `keyPrefix` comes before it */
  constructor(client: RedisClient, prefix: string) {
    this.#prefix = `${keyPrefixOf(client)}${prefix}:${WIRE_VERSION}:`
    const db = isCluster(client) ? 0 : (client.options.db ?? 0)
    this.channel = `${this.#prefix}circuits:${db}`
    this.statePattern = `${escapeGlob(this.#prefix)}{*}:s`
  }

  /** In the order in which every script takes them. One hash tag: on a cluster they lie on one node. */
  keysOf(id: string): [state: string, window: string, leases: string, reporters: string] {
    const base = `${this.#prefix}{${id}}`
    return [`${base}:s`, `${base}:w`, `${base}:l`, `${base}:r`]
  }

  /** The id of the circuit whose state key this is. */
  idOf(stateKey: string): string {
    return stateKey.slice(this.#prefix.length + 1, -'}:s'.length)
  }
}

import type { ControlAction } from '../../../circuit/machine/machine.ts'
import { unknownView } from '../../../circuit/machine/state.ts'
import { resolveCircuitBreakerOptions } from '../../../circuit/options.ts'
import type { CircuitBackend } from '../../../circuit/shared/backend.ts'
import {
  type CircuitDirectory,
  type CircuitWatcher,
  type StoredCircuit,
  storedCircuit,
} from '../../../circuit/shared/directory.ts'
import { circuitId, decodeView } from '../../../circuit/shared/wire.ts'
import { isError } from '../../../errors.ts'
import type { CircuitMessages } from '../../circuit-messages.ts'
import { type RedisClient, serversOf } from '../connection.ts'
import { scanKeys } from '../scan.ts'
import { runScriptEach } from '../script.ts'
import type { CircuitLayout } from './layout.ts'
import { circuitScripts } from './scripts.ts'

interface RedisCircuitDirectoryParts {
  /** The client once commands can be sent; rejects when that takes too long. */
  connected(): Promise<RedisClient>
  readonly backend: CircuitBackend
  readonly messages: CircuitMessages
  readonly layout: CircuitLayout
  /** The longest that a command may take. */
  readonly timeoutMs: number
}

/** The circuits of all processes, read from the keys and the channel that the backend uses. */
export class RedisCircuitDirectory implements CircuitDirectory {
  readonly #parts: RedisCircuitDirectoryParts

  constructor(parts: RedisCircuitDirectoryParts) {
    this.#parts = parts
  }

  /** Goes through the whole keyspace in steps. */
  async list(): Promise<StoredCircuit[]> {
    const client = await this.#parts.connected()
    const found = new Map<string, StoredCircuit>()
    for (const server of serversOf(client)) {
      for await (const stateKeys of scanKeys(server, this.#parts.layout.statePattern)) {
        for (const circuit of await this.#look(client, stateKeys)) found.set(circuit.key, circuit)
      }
    }
    return [...found.values()].sort((a, b) => (a.key < b.key ? -1 : 1))
  }

  async find(key: string): Promise<StoredCircuit | undefined> {
    const client = await this.#parts.connected()
    const [stateKey] = this.#parts.layout.keysOf(circuitId(key))
    return (await this.#look(client, [stateKey]))[0]
  }

  async overrule(key: string, action: ControlAction): Promise<StoredCircuit> {
    const { backend } = this.#parts
    await this.#parts.connected()
    const id = backend.idOf(key)
    const { policy } = resolveCircuitBreakerOptions({})
    const { view } = await backend.control({ id, policy, view: unknownView }, action)
    return storedCircuit(id, view)
  }

  watch(watcher: CircuitWatcher): Promise<() => void> {
    return this.#parts.messages.watch({
      pushed: ({ id, view }) => watcher.changed(storedCircuit(id, view)),
      lost: (error) => watcher.lost(error),
    })
  }

  async #look(client: RedisClient, stateKeys: readonly string[]): Promise<StoredCircuit[]> {
    const { layout, timeoutMs } = this.#parts
    const runs = stateKeys.map((key) => ({ keys: [key], args: [] }))
    const replies = await runScriptEach(client, circuitScripts.look, runs, timeoutMs)
    return replies.flatMap((reply, at) => {
      // a key under our name that is no hash is not ours, nor is what does not read as a view
      if (isError(reply) && !reply.message.includes('WRONGTYPE')) throw reply
      const sent = decodeView(reply)
      return sent === undefined ? [] : [storedCircuit(layout.idOf(stateKeys[at]!), sent.view)]
    })
  }
}

import type { ControlAction } from '../../../circuit/machine/machine.ts'
import type { CircuitPolicy } from '../../../circuit/machine/policy.ts'
import { unknownView, viewOf } from '../../../circuit/machine/state.ts'
import { resolveCircuitBreakerOptions } from '../../../circuit/options.ts'
import {
  type CircuitDirectory,
  type CircuitWatcher,
  type StoredCircuit,
  storedCircuit,
} from '../../../circuit/shared/directory.ts'
import type { CircuitMessages } from '../../circuit-messages.ts'
import type { PostgresCircuitBackend } from './backend.ts'
import { machineOf } from './rows.ts'

/** The circuits of all processes, read from the rows and the channel that the backend uses. */
export class PostgresCircuitDirectory implements CircuitDirectory {
  readonly #backend: PostgresCircuitBackend
  readonly #messages: CircuitMessages | undefined
  readonly #policy: CircuitPolicy

  constructor(backend: PostgresCircuitBackend, messages: CircuitMessages | undefined) {
    this.#backend = backend
    this.#messages = messages
    this.#policy = resolveCircuitBreakerOptions({}).policy
  }

  async list(): Promise<StoredCircuit[]> {
    const circuits = await this.#look()
    return circuits.sort((a, b) => (a.key < b.key ? -1 : 1))
  }

  async find(key: string): Promise<StoredCircuit | undefined> {
    return (await this.#look(this.#backend.idOf(key)))[0]
  }

  async overrule(key: string, action: ControlAction): Promise<StoredCircuit> {
    const id = this.#backend.idOf(key)
    const request = { id, policy: this.#policy, view: unknownView }
    const { view } = await this.#backend.control(request, action)
    return storedCircuit(id, view)
  }

  async watch(watcher: CircuitWatcher): Promise<() => void> {
    if (this.#messages === undefined) {
      throw new Error(
        'circuits cannot be watched without a client to listen with: see `listen` of postgresStore',
      )
    }
    return this.#messages.watch({
      pushed: ({ id, view }) => watcher.changed(storedCircuit(id, view)),
      lost: (error) => watcher.lost(error),
    })
  }

  /** What cannot be read is left out. */
  async #look(id?: string): Promise<StoredCircuit[]> {
    const found = await this.#backend.find(id)
    return [...found].flatMap(([one, circuit]) => {
      const machine = machineOf(circuit, this.#policy)
      return machine.epoch === 0 ? [] : [storedCircuit(one, viewOf(machine, circuit.us / 1_000))]
    })
  }
}

import { machineFromJson, machineToJson } from '../../../src/circuit/machine/machine-json.ts'
import * as machine from '../../../src/circuit/machine/machine.ts'
import type { CircuitPolicy } from '../../../src/circuit/machine/policy.ts'
import {
  createMachine,
  type Machine,
  type Step,
  type View,
  viewOf,
} from '../../../src/circuit/machine/state.ts'
import type { CircuitBackend, CircuitRequest, Timed } from '../../../src/circuit/shared/backend.ts'

interface MachineServerOptions {
  /** The server's clock, for a circuit. */
  readonly now: (id: string) => number
  /** Is told of each transition, and of each slot that came back. */
  readonly push?: (id: string, view: View, serverMs: number) => void
}

/**
 * A server in memory that keeps each circuit as a row would: as the text of `machineToJson`, read before a step and
 * written after it.
 */
export class MachineServer {
  readonly #options: MachineServerOptions
  readonly #rows = new Map<string, { text: string; policy: CircuitPolicy }>()

  constructor(options: MachineServerOptions) {
    this.#options = options
  }

  /** The circuit as it is stored. */
  machine(id: string): Machine {
    const row = this.#rows.get(id)
    const stored = row && machineFromJson(row.text, row.policy)
    if (stored === undefined) throw new Error(`the server has no circuit ${id}`)
    return stored
  }

  lose(id: string): void {
    this.#rows.delete(id)
  }

  loseAll(): void {
    this.#rows.clear()
  }

  /** The server as the process `by` has it. */
  backend(by: string): CircuitBackend {
    const run = <T extends { readonly view: View }>(
      { id, policy, view }: CircuitRequest,
      work: (stored: Machine, step: Step) => T,
    ): Timed<T> => {
      const now = this.#options.now(id)
      const row = this.#rows.get(id)
      const stored = (row && machineFromJson(row.text, policy)) ?? createMachine(policy)
      const { epoch } = stored
      const reply = work(stored, { policy, now, by, view })
      this.#rows.set(id, { text: machineToJson(stored), policy })
      if (stored.epoch !== epoch || ('result' in reply && reply.result === 'void')) {
        this.#options.push?.(id, viewOf(stored, now), now)
      }
      return { ...reply, serverMs: now }
    }
    return {
      idOf: (key) => key,
      flush: async (requests) =>
        requests.map((request) =>
          run(request, (stored, step) => machine.flush(stored, step, request.counts)),
        ),
      peek: async (ids) => ids.map((id) => (this.#rows.has(id) ? this.machine(id).epoch : 0)),
      acquire: async (request, token, renew) =>
        run(request, (stored, step) => machine.acquire(stored, step, token, renew)),
      report: async (request, token, result) =>
        run(request, (stored, step) => machine.report(stored, step, token, result)),
      control: async (request, action) =>
        run(request, (stored, step) => machine.control(stored, step, action)),
    }
  }
}

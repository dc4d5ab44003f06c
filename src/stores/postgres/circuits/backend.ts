import { setTimeout as sleep } from 'node:timers/promises'
import { machineToJson } from '../../../circuit/machine/machine-json.ts'
import {
  acquire,
  type AcquireReply,
  control,
  type ControlAction,
  type ControlReply,
  type FlushReply,
  type ProbeResult,
  report,
  type ReportReply,
} from '../../../circuit/machine/machine.ts'
import type { Machine, Step } from '../../../circuit/machine/state.ts'
import type { Counts } from '../../../circuit/machine/window.ts'
import type { CircuitBackend, CircuitRequest, Timed } from '../../../circuit/shared/backend.ts'
import { circuitId } from '../../../circuit/shared/wire.ts'
import { asError } from '../../../errors.ts'
import type { Row } from '../client.ts'
import type { PostgresDatabase } from '../database.ts'
import { CircuitFlush } from './flush.ts'
import { type CircuitWrite, type FoundCircuit, foundCircuits, machineOf, writeOf } from './rows.ts'
import { type CircuitStatements, circuitStatements } from './statements.ts'

/** How often a step is made again because others changed the circuit meanwhile; in each round one of them is done. */
const MAX_ROUNDS = 100

/** Rows that are of no use any longer are looked for this often, in milliseconds. */
const SWEEP_MS = 10 * 60_000

interface PostgresCircuitBackendSettings {
  readonly db: PostgresDatabase
  /** The channel on which transitions are told. */
  readonly channel: string
  /** This process. */
  readonly by: string
  /** The longest that a statement may take. */
  readonly timeoutMs: number
}

/**
 * The machine of `machine.ts` over rows. Counts are added up by SQL, in rows of each process that no other writes;
 * everything else is read, decided here, and written where nobody has changed it meanwhile.
 */
export class PostgresCircuitBackend implements CircuitBackend {
  readonly #settings: PostgresCircuitBackendSettings
  readonly #sql: CircuitStatements
  #sweptAt = performance.now()

  constructor(settings: PostgresCircuitBackendSettings) {
    this.#settings = settings
    this.#sql = circuitStatements(settings.db)
  }

  idOf(key: string): string {
    return circuitId(key)
  }

  async flush(
    requests: readonly (CircuitRequest & { readonly counts: Counts })[],
  ): Promise<(Timed<FlushReply> | Error)[]> {
    this.#sweepNowAndThen()
    const flush = new CircuitFlush(requests, this.#settings.by)
    try {
      for (let round = 0; flush.isUnderWay; round++) {
        if (round === MAX_ROUNDS) throw tooBusy()
        await pauseBefore(round)
        const rows = await this.#query(this.#sql.count, [JSON.stringify(flush.asked()), this.#settings.by])
        const writes = flush.decide(foundCircuits(rows))
        flush.written(await this.#write(writes))
      }
      return flush.replies()
    } catch (error) {
      return requests.map(() => asError(error))
    }
  }

  async peek(ids: readonly string[]): Promise<(number | Error)[]> {
    try {
      const rows = await this.#query(this.#sql.epochs, [JSON.stringify(ids)])
      const epochs = new Map(rows.map(({ id, epoch }) => [id, Number(epoch)]))
      return ids.map((id) => epochs.get(id) ?? 0)
    } catch (error) {
      return ids.map(() => asError(error))
    }
  }

  acquire(request: CircuitRequest, token: string, renew: boolean): Promise<Timed<AcquireReply>> {
    return this.#swap(request, (machine, step) => acquire(machine, step, token, renew))
  }

  report(request: CircuitRequest, token: string, result: ProbeResult): Promise<Timed<ReportReply>> {
    return this.#swap(
      request,
      (machine, step) => report(machine, step, token, result),
      (reply) => reply.result === 'void',
    )
  }

  control(request: CircuitRequest, action: ControlAction): Promise<Timed<ControlReply>> {
    return this.#swap(request, (machine, step) => control(machine, step, action))
  }

  /** The circuits that there are, or the one of an id. */
  async find(id?: string): Promise<Map<string, FoundCircuit>> {
    const rows = await (id === undefined
      ? this.#query(this.#sql.list, [])
      : this.#query(this.#sql.read, [id]))
    return foundCircuits(rows)
  }

  async #swap<Reply extends object>(
    request: CircuitRequest,
    step: (machine: Machine, step: Step) => Reply,
    freesSlot: (reply: Reply) => boolean = () => false,
  ): Promise<Timed<Reply>> {
    const { id, policy, view } = request
    for (let round = 0; round < MAX_ROUNDS; round++) {
      await pauseBefore(round)
      const found = (await this.find(id)).get(id)!
      const machine = machineOf(found, policy)
      const before = { json: machineToJson(machine), epoch: machine.epoch }
      const now = found.us / 1_000
      const reply = step(machine, { policy, now, by: this.#settings.by, view })
      const write = writeOf(id, machine, before, found, freesSlot(reply))
      if (write === undefined || (await this.#write([write])).has(id)) return { ...reply, serverMs: now }
    }
    throw tooBusy()
  }

  /** Resolves to the ids of the circuits that were still as they had been read. */
  async #write(writes: readonly CircuitWrite[]): Promise<Set<string>> {
    if (writes.length === 0) return new Set()
    const rows = await this.#query(this.#sql.write, [JSON.stringify(writes), this.#settings.channel])
    return new Set(rows.map(({ id }) => String(id)))
  }

  #sweepNowAndThen(): void {
    const now = performance.now()
    if (now - this.#sweptAt < SWEEP_MS) return
    this.#sweptAt = now
    // it is only late when it fails: the next one does its work too
    this.#query(this.#sql.sweep, []).catch(() => undefined)
  }

  #query(text: string, values: unknown[]): Promise<Row[]> {
    const { db, timeoutMs } = this.#settings
    return db.query(text, values, timeoutMs)
  }
}

/** Those that have lost several times come back at different moments. */
async function pauseBefore(round: number): Promise<void> {
  if (round > 2) await sleep(Math.random() * 2 * Math.min(round, 10))
}

function tooBusy(): Error {
  return new Error('too many processes changed the circuit at once')
}

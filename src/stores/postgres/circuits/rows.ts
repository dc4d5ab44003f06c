import { machineFromJson, machineToJson } from '../../../circuit/machine/machine-json.ts'
import { takesCounts } from '../../../circuit/machine/machine.ts'
import type { CircuitPolicy } from '../../../circuit/machine/policy.ts'
import { createMachine, type Machine, type Reporter, viewOf } from '../../../circuit/machine/state.ts'
import type { Counts } from '../../../circuit/machine/window.ts'
import { encodeView, messageHead } from '../../../circuit/shared/wire.ts'
import type { Row } from '../client.ts'

/** A circuit as a statement has found it. */
export interface FoundCircuit {
  /** The server's time, microseconds since 1970. */
  readonly us: number
  /** 0 where there is no row. */
  readonly version: number
  /** The epoch under which it counts; 0 where there is no row. */
  readonly epoch: number
  /** As it was written; `undefined` where there is none, or none that can be read: the circuit counts as lost. */
  readonly text: string | undefined
  /** What was counted under its epoch. */
  readonly sums: Counts
  readonly reporters: Reporter[]
}

interface FoundJson {
  readonly version: number
  readonly epoch: number
  readonly machine: string
  readonly sums?: readonly [total: number, failed: number, slow: number]
  readonly reporters?: Reporter[]
}

/** @returns circuits by id */
export function foundCircuits(rows: readonly Row[]): Map<string, FoundCircuit> {
  return new Map(rows.map((row) => [String(row['id']), foundCircuit(row)]))
}

function foundCircuit(row: Row): FoundCircuit {
  const us = Number(row['us'])
  const json = row['found']
  const found = typeof json === 'string' ? (JSON.parse(json) as FoundJson) : undefined
  const [total, failed, slow] = found?.sums ?? [0, 0, 0]
  return {
    us,
    version: found?.version ?? 0,
    epoch: found?.epoch ?? 0,
    text: found?.machine,
    sums: { total, failed, slow },
    reporters: found?.reporters ?? [],
  }
}

/** The machine of a row, without what was counted. */
export function machineOf({ text }: FoundCircuit, policy: CircuitPolicy): Machine {
  return (text === undefined ? undefined : machineFromJson(text, policy)) ?? createMachine(policy)
}

/** A state to be written, where the row still has the version `old`. */
export interface CircuitWrite {
  readonly id: string
  readonly old: number
  readonly epoch: number
  readonly counting: boolean
  readonly overruled: boolean
  readonly machine: string
  /** What the other processes are told; absent where it is no transition and frees no slot. */
  readonly message: string | undefined
}

/**
 * What has to be written after a step on a machine; `undefined` where it changed nothing.
 * @param before the machine's JSON before the step
 */
export function writeOf(
  id: string,
  machine: Machine,
  before: { readonly json: string; readonly epoch: number },
  { us, version }: FoundCircuit,
  freesSlot = false,
): CircuitWrite | undefined {
  const json = machineToJson(machine)
  if (json === before.json) return undefined
  const { epoch, override } = machine
  const tell = epoch !== before.epoch || freesSlot
  return {
    id,
    old: version,
    epoch,
    counting: takesCounts(machine),
    overruled: override !== undefined,
    machine: json,
    message: tell ? `${messageHead(id)} ${encodeView(viewOf(machine, us / 1_000))} ${us}` : undefined,
  }
}

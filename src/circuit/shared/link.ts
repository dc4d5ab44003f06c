import type { Admission, Probe } from '../admission.ts'
import type { Circuit } from '../circuit.ts'
import type { ProbeResult } from '../machine/machine.ts'

/** What a circuit needs of a store that processes share. */
export interface CircuitLink {
  enqueue(circuit: Circuit): void
  flushNow(circuit: Circuit): void
  acquire(circuit: Circuit, now: number): Promise<Admission>
  report(circuit: Circuit, probe: Probe, result: ProbeResult): void
  renew(circuit: Circuit, probe: Probe): void
}

import type { CircuitPolicy } from './policy.ts'
import { createMachine, type Lease, type Machine, MAX_TRIPS, type Phase, type Reporter } from './state.ts'
import { restoreSlot, slotsOf, type StoredSlot } from './window.ts'

/**
 * Writes a machine down, for a store that keeps it in a row. Of its window only what is in it is written: the length of
 * its buckets is the policy's.
 */
export function machineToJson({ epoch, phase, trips, override, by, window, reporters }: Machine): string {
  return JSON.stringify({ epoch, phase, trips, override, by, window: slotsOf(window), reporters })
}

/**
 * Reads a machine back. `undefined` for what `machineToJson` cannot have written: then the circuit counts as lost, and
 * the next caller's view brings it back. A lease, a reporter or a slot of the window that cannot be read is left out
 * alone.
 */
export function machineFromJson(text: string, policy: CircuitPolicy): Machine | undefined {
  const stored = fieldsOf(parse(text))
  const phase = phaseFrom(fieldsOf(stored?.['phase']))
  if (stored === undefined || phase === undefined) return undefined
  const { epoch, trips, override, by, window, reporters } = stored
  if (!isCount(epoch) || !isCount(trips)) return undefined
  if (override !== undefined && override !== 'isolated' && override !== 'forced-closed') return undefined
  const machine = createMachine(policy)
  machine.epoch = epoch
  machine.phase = phase
  machine.trips = Math.min(trips, MAX_TRIPS)
  machine.override = override
  machine.by = typeof by === 'string' ? by : ''
  machine.reporters = listOf(reporters, reporterFrom)
  for (const slot of listOf(window, slotFrom)) restoreSlot(machine.window, slot)
  return machine
}

type Fields = Readonly<Record<string, unknown>>

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function fieldsOf(value: unknown): Fields | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined
}

function phaseFrom(fields: Fields | undefined): Phase | undefined {
  switch (fields?.['state']) {
    case 'closed':
      return { state: 'closed' }
    case 'open': {
      const { until } = fields
      return isTime(until) ? { state: 'open', until } : undefined
    }
    case 'half-open': {
      const { successes, leases } = fields
      if (!isCount(successes)) return undefined
      return { state: 'half-open', successes, leases: listOf(leases, leaseFrom) }
    }
  }
  return undefined
}

function leaseFrom(value: unknown): Lease | undefined {
  const { token, grantedAt, expiresAt } = fieldsOf(value) ?? {}
  if (typeof token !== 'string' || !isTime(grantedAt) || !isTime(expiresAt)) return undefined
  return { token, grantedAt, expiresAt }
}

function reporterFrom(value: unknown): Reporter | undefined {
  const { by, at } = fieldsOf(value) ?? {}
  return typeof by === 'string' && isTime(at) ? { by, at } : undefined
}

function slotFrom(value: unknown): StoredSlot | undefined {
  if (!Array.isArray(value) || value.length !== 4 || !value.every(isCount)) return undefined
  return value as unknown as StoredSlot
}

/** What `read` makes of the entries of a list; what it makes nothing of is left out. */
function listOf<T>(value: unknown, read: (entry: unknown) => T | undefined): T[] {
  const entries: unknown[] = Array.isArray(value) ? value : []
  return entries.map(read).filter((entry) => entry !== undefined)
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

import {
  type CircuitDirectory,
  type StoredCircuit,
  withOverridesAbove,
} from '../../circuit/shared/directory.ts'
import { OperationError } from '../operation-error.ts'
import type { OpenedStore } from '../stores/open-store.ts'

/**
 * The circuits of all processes that share the store.
 * @throws {OperationError} when it shares none
 */
export function circuitDirectory({ circuits, shown }: OpenedStore): CircuitDirectory {
  if (circuits.directory !== undefined) return circuits.directory
  throw new OperationError(
    `${shown} keeps dead letters only: its circuits are those of each process, out of reach from here. ` +
      'Circuits are shared by a store in Redis or PostgreSQL: redis://..., postgres://...',
  )
}

/**
 * The circuits of all processes as calls find them: an override of an origin holds for all credentials there.
 * @throws {OperationError} as `circuitDirectory`
 */
export async function listCircuits(store: OpenedStore): Promise<StoredCircuit[]> {
  return withOverridesAbove(await circuitDirectory(store).list())
}

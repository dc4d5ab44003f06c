import type { ControlAction } from '../../circuit/machine/machine.ts'
import type { StoredCircuit } from '../../circuit/shared/directory.ts'
import { messageWithoutUserinfo } from '../../http/secrets/redacted-url.ts'
import { OperationError } from '../operation-error.ts'
import type { OpenedStore } from '../stores/open-store.ts'
import { circuitDirectory } from './directory.ts'

interface OverruledCircuit {
  readonly circuit: StoredCircuit
  /** A process had used it before, and the store remembered it. */
  readonly known: boolean
}

/**
 * Overrules a circuit in all processes.
 * @throws {OperationError} when the store does not answer, or refuses
 */
export async function overruleCircuit(
  store: OpenedStore,
  key: string,
  action: ControlAction,
): Promise<OverruledCircuit> {
  const directory = circuitDirectory(store)
  try {
    const known = (await directory.find(key)) !== undefined
    return { circuit: await directory.overrule(key, action), known }
  } catch (error) {
    const reason = messageWithoutUserinfo((error as Error).message)
    throw new OperationError(`nothing was changed, as far as is known: ${reason}`, 'store-unavailable', error)
  }
}

import type { StoredCircuit } from '../../circuit/shared/directory.ts'
import { OperationError } from '../operation-error.ts'
import type { OpenedStore } from '../stores/open-store.ts'
import { circuitDirectory, listCircuits } from './directory.ts'

/**
 * Tells every circuit as it is, then each change as it happens in any process, until `signal` aborts.
 * @throws {OperationError} when the connection is lost
 */
export async function watchCircuits(
  store: OpenedStore,
  tell: (circuit: StoredCircuit) => void,
  signal: AbortSignal,
): Promise<void> {
  const directory = circuitDirectory(store)
  const ended = Promise.withResolvers<void>()
  // it may be lost while nobody waits for it yet
  ended.promise.catch(() => undefined)
  /** When each circuit changed that was told: the list may be older. */
  const told = new Map<string, number>()
  const end = await directory.watch({
    changed(circuit) {
      told.set(circuit.key, circuit.since)
      tell(circuit)
    },
    lost: (error) =>
      ended.reject(
        new OperationError(`the connection to ${store.shown} was lost`, 'store-unavailable', error),
      ),
  })
  const onAbort = (): void => ended.resolve()
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  try {
    for (const circuit of await listCircuits(store)) {
      if ((told.get(circuit.key) ?? -Infinity) < circuit.since) tell(circuit)
    }
    await ended.promise
  } finally {
    signal.removeEventListener('abort', onAbort)
    end()
  }
}

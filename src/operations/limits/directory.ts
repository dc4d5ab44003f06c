import { messageWithoutUserinfo } from '../../http/secrets/redacted-url.ts'
import type { LimitDirectory } from '../../rate-limit/store.ts'
import { OperationError } from '../operation-error.ts'
import type { OpenedStore } from '../stores/open-store.ts'

/**
 * Asks for what all processes share of their limits.
 * @throws {OperationError} when the store shares none, or does not answer
 */
export async function askLimits<T>(
  { limits, shown }: OpenedStore,
  ask: (directory: LimitDirectory) => Promise<T>,
): Promise<T> {
  if (limits.directory === undefined) {
    throw new OperationError(
      `${shown} keeps no limits: they are those of each process, out of reach from here. ` +
        'Limits are shared by a store in Redis or PostgreSQL: redis://..., postgres://...',
    )
  }
  try {
    return await ask(limits.directory)
  } catch (error) {
    const reason = messageWithoutUserinfo((error as Error).message)
    throw new OperationError(`the store did not answer: ${reason}`, 'store-unavailable', error)
  }
}

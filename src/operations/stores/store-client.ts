import { messageWithoutUserinfo } from '../../http/secrets/redacted-url.ts'
import { OperationError } from '../operation-error.ts'

/** Clients of stores are optional peers: one is there when the application uses its store. */
export async function loadClient<Client>(
  scheme: string,
  name: string,
  load: () => Promise<Client>,
): Promise<Client> {
  try {
    return await load()
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new OperationError(
      `${scheme} needs the package ${name}, which is not installed here: npm install ${name}`,
      'store-unavailable',
      error,
    )
  }
}

/** @param shown the store's url without its password */
export function unreachable(shown: string, error: unknown): OperationError {
  const { message, code, errors } = error as { message?: string; code?: string; errors?: Error[] }
  const said = [message, errors?.[0]?.message, code].find((text) => text !== undefined && text !== '')
  return new OperationError(
    `cannot reach ${shown}: ${messageWithoutUserinfo(said ?? String(error))}`,
    'store-unavailable',
    error,
  )
}

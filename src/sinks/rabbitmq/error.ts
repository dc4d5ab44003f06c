import { isError } from '../../errors.ts'

/** What RabbitMQ or its client failed with, with a code by which an outage is known for one. */
export class RabbitmqError extends Error {
  override readonly name = 'RabbitmqError'
  readonly code = 'ERABBITMQ'
}

export function asRabbitmqError(error: unknown): RabbitmqError {
  if (error instanceof RabbitmqError) return error
  const { code } = (error ?? {}) as { code?: unknown }
  const message = isError(error) ? error.message : String(error)
  // of an AggregateError, which a refused connection is, only the code says something
  const said = message !== '' ? message : typeof code === 'string' ? code : 'cannot be reached'
  return new RabbitmqError(`RabbitMQ: ${said}`, { cause: error })
}

import { isError } from '../../errors.ts'

/**
 * Classes of SQLSTATE that may be about what was written: data exceptions, constraints, limits of a value. All others are
 * about the server, the connection, the rights or the tables.
 * @see https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const ofStatement = /^(?:22|23|54)[0-9A-Z]{3}$/
const sqlState = /^[0-9A-Z]{5}$/

/** What PostgreSQL or its client failed with, with a code by which an outage is known for one. */
export class PostgresError extends Error {
  override readonly name = 'PostgresError'
  readonly code = 'EPOSTGRES'
}

/** An error as it is thrown on: unchanged where it may be about what was written. */
export function asPostgresError(error: unknown): unknown {
  const code = sqlStateOf(error)
  if (code !== undefined && ofStatement.test(code)) return error
  const message = isError(error) ? error.message : String(error)
  const said = message === '' ? 'cannot be reached' : message
  return new PostgresError(`PostgreSQL: ${said}${code === undefined ? '' : ` (${code})`}`, { cause: error })
}

/** The SQLSTATE of a server's error; `undefined` for one of the client or of the system. */
export function sqlStateOf(error: unknown): string | undefined {
  const { code } = (error ?? {}) as { code?: unknown }
  return typeof code === 'string' && sqlState.test(code) ? code : undefined
}

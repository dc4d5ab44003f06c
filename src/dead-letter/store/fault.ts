import { TimeLimitError } from '../../time/time-limit.ts'
import { StoreClosedError } from './store-closed.ts'

/** What is read of an error, whoever made it. */
interface ErrorFacts {
  readonly name?: unknown
  readonly message?: unknown
  readonly code?: unknown
  readonly errcode?: unknown
  readonly cause?: unknown
}

/** Causes of causes that are looked at. */
const MAX_DEPTH = 4

/**
 * Replies of Redis about its own state, its rights or its keys, also where a script hands one on (`... -OOM command not
 * allowed`). Of a plain `ERR` nobody can say.
 * @see https://github.com/redis/redis/blob/7.0/src/server.c (createSharedObjects)
 */
const redisReply =
  /(?:^|[\s-])(?:OOM|MISCONF|READONLY|LOADING|BUSY|NOAUTH|NOPERM|WRONGPASS|WRONGTYPE|DENIED|CLUSTERDOWN|CROSSSLOT|MASTERDOWN|TRYAGAIN|MOVED|ASK|NOREPLICAS|NOSCRIPT|NOPROTO|EXECABORT|UNKILLABLE) |^ERR (?:max number of clients|unknown command|.*can't run this command)/

/** ioredis names neither: a connection that is not there, or that does not answer. */
const clientMessage =
  /^(?:Connection is closed|Command timed out|Stream isn't writeable|Connection in subscriber mode)/

const clientNames = new Set([
  'MaxRetriesPerRequestError',
  'ClusterAllFailedError',
  'AbortError',
  'TimeoutError',
])

/**
 * Primary result codes of SQLite that may be about what was written: ERROR, TOOBIG, CONSTRAINT, MISMATCH, MISUSE, RANGE.
 * All others (FULL, IOERR, READONLY, BUSY, LOCKED, CANTOPEN, NOMEM, CORRUPT, NOTADB ...) are about the file.
 * @see https://www.sqlite.org/rescode.html
 */
const sqliteOfStatement = new Set([1, 18, 19, 20, 21, 25])

/**
 * Whether an error of a store or sink says that the store is out of reach, out of room, or out of order, and so nothing
 * of what was to be kept: an outage is never a record's fault. `false`: it may be about either.
 */
export function isStoreFault(error: unknown): boolean {
  return saysSo(error, 0)
}

function saysSo(error: unknown, depth: number): boolean {
  if (typeof error !== 'object' || error === null || depth > MAX_DEPTH) return false
  if (error instanceof TimeLimitError || error instanceof StoreClosedError) return true
  const { name, message, code, errcode, cause } = error as ErrorFacts
  if (typeof errcode === 'number') return !sqliteOfStatement.has(errcode & 0xff)
  // of the system: ECONNREFUSED, ENOSPC; of Node: a database that is not open
  if (typeof code === 'string' && (/^E[A-Z0-9]+$/.test(code) || code === 'ERR_INVALID_STATE')) return true
  if (typeof name === 'string' && clientNames.has(name)) return true
  if (typeof message === 'string' && (redisReply.test(message) || clientMessage.test(message))) return true
  return saysSo(cause, depth + 1)
}

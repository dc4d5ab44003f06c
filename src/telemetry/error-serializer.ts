import { isIntegrationError, isError } from '../errors.ts'
import { toldError } from './told-error.ts'

/** The deepest cause that is written. */
const MAX_DEPTH = 8

/** An error as a plain object: what pino writes, and its causes with all that they know. */
interface SerializedError {
  type: string
  message: string
  stack: string | undefined
  /** Of the first error in the chain of causes that has one. */
  code?: unknown
  /** Of the first error of this package in the chain of causes. */
  deadLetterId?: string | undefined
  cause?: unknown
  errors?: unknown[]
  [field: string]: unknown
}

/**
 * A pino serializer for `err`. That of pino writes of a cause only its message and stack, so that `code`, `integration`
 * and `deadLetterId` of an error under `TypeError: fetch failed` are lost; this one writes each cause whole, and puts
 * `code` and `deadLetterId` on the outermost error too. Secrets in messages are left out. What is no error is kept.
 *
 * @example
 * import pino from 'pino'
 * import { errorSerializer } from 'undici-resilience/pino'
 *
 * const logger = pino({ serializers: { err: errorSerializer } })
 * // err.type: 'TypeError', err.code: 'ERR_TIMEOUT', err.deadLetterId: '01a2...', err.cause.integration: 'hubspot'
 */
export function errorSerializer<Logged>(logged: Logged): SerializedError | Logged {
  if (!isError(logged)) return logged
  const serialized = serialize(toldError(logged), new Set(), 0)
  const chain = [...causesOf(logged)]
  const code = chain.map((error) => (error as { code?: unknown }).code).find((one) => one !== undefined)
  const deadLetterId = chain.find(isIntegrationError)?.deadLetterId
  if (code !== undefined) serialized.code = code
  if (deadLetterId !== undefined) serialized.deadLetterId = deadLetterId
  return serialized
}

function serialize(error: Error, seen: Set<Error>, depth: number): SerializedError {
  seen.add(error)
  const { message, stack, cause } = error
  const serialized: SerializedError = { type: error.name, message, stack }
  for (const [field, value] of Object.entries(error)) {
    if (value !== undefined && field !== 'cause' && !(field in serialized)) {
      serialized[field] = value as unknown
    }
  }
  const next = (one: unknown): unknown =>
    isError(one) && !seen.has(one) && depth < MAX_DEPTH ? serialize(one, seen, depth + 1) : String(one)
  if (cause !== undefined && cause !== null) serialized.cause = next(cause)
  if (error instanceof AggregateError) serialized.errors = error.errors.slice(0, MAX_DEPTH).map(next)
  return serialized
}

function* causesOf(error: unknown): Generator<Error> {
  const seen = new Set<unknown>()
  for (let one = error; isError(one) && !seen.has(one) && seen.size < MAX_DEPTH; one = one.cause) {
    seen.add(one)
    yield one
  }
}

import { isError } from '../errors.ts'
import { redactText } from '../http/secrets/redacted-text.ts'

/** Causes that are looked at. */
const MAX_DEPTH = 8

/**
 * An error as it may be told in logs and events: itself, or where its texts, causes or parts hold a secret, a copy without
 * it. The caller always gets the error as it was made.
 */
export function toldError(error: Error): Error {
  return told(error, [])
}

/** @param above the errors whose cause or part it is */
function told(error: Error, above: readonly Error[]): Error {
  const { message, stack, cause } = error
  const chain = [...above, error]
  const within = (inner: unknown): unknown => {
    if (!isError(inner)) return inner
    // a circle is left out, not followed
    return chain.includes(inner) || chain.length > MAX_DEPTH ? undefined : told(inner, chain)
  }
  const parts = error instanceof AggregateError ? (error.errors as unknown[]) : []
  const shown = {
    message: redactText(message),
    stack: stack === undefined ? undefined : redactText(stack),
    cause: within(cause),
    parts: parts.map(within),
  }
  const whole = shown.message === message && shown.stack === stack && shown.cause === cause
  if (whole && shown.parts.every((part, i) => part === parts[i])) return error
  const options = shown.cause === undefined ? undefined : { cause: shown.cause }
  const copy =
    error instanceof AggregateError
      ? new AggregateError(shown.parts, shown.message, options)
      : new Error(shown.message, options)
  for (const [name, value] of Object.entries(error)) {
    const text: unknown = typeof value === 'string' ? redactText(value) : value
    Object.defineProperty(copy, name, { value: text, enumerable: true, configurable: true, writable: true })
  }
  Object.defineProperty(copy, 'name', { value: error.name, configurable: true, writable: true })
  if (shown.stack !== undefined) copy.stack = shown.stack
  return copy
}

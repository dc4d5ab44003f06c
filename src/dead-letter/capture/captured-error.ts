import { isError } from '../../errors.ts'
import { errorCode } from '../../http/delivery.ts'
import { MAX_CODE_CHARS, MAX_ERROR_PARTS, MAX_MESSAGE_CHARS } from '../record/bounds.ts'
import type { DeadLetterError } from '../record/record.ts'

/** Causes and parts below this are not kept. */
const MAX_DEPTH = 4

/**
 * The error with its causes, at most five deep, and the parts of an AggregateError, at most five.
 * @param say a message without its secrets
 */
export function capturedError(error: unknown, say: (text: string) => string, depth = 0): DeadLetterError {
  const message = (value: unknown): string => say(textOf(value)).slice(0, MAX_MESSAGE_CHARS)
  if (!isError(error)) return { name: 'Error', message: message(error) }
  const code = errorCode(error)
  const parts: unknown =
    error.name === 'AggregateError' && 'errors' in error && depth < MAX_DEPTH ? error.errors : []
  const kept = Array.isArray(parts) ? parts.slice(0, MAX_ERROR_PARTS) : []
  return {
    name: textOf(error.name).slice(0, MAX_CODE_CHARS),
    message: message(error.message),
    ...(code === undefined ? {} : { code: code.slice(0, MAX_CODE_CHARS) }),
    ...(error.cause === undefined || error.cause === null || depth >= MAX_DEPTH
      ? {}
      : { cause: capturedError(error.cause, say, depth + 1) }),
    ...(kept.length === 0 ? {} : { errors: kept.map((part) => capturedError(part, say, depth + 1)) }),
  }
}

/** Anything may be thrown: an object without a prototype is no text, and must not make an end of its capture. */
function textOf(value: unknown): string {
  try {
    return String(value)
  } catch {
    return 'a value that is no text'
  }
}

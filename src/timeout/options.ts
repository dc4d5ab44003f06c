import { type Check, type Checks, duration, oneOf, withDefault } from '../checks.ts'
import { type Filled, integrationOption } from '../options.ts'

/** Options of `timeout`. */
export interface TimeoutOptions {
  /** The longest time, in milliseconds, at least 1. */
  ms: number
  /** What ends it: the headers of the final response (default), or the end of its body. */
  until?: 'headers' | 'end' | undefined
  /** The label in the error. Default 'default'. */
  integration?: string | undefined
}

/** What a timeout ends at: the headers of the final response, or the end of its body. */
export const untilCheck: Check<'headers' | 'end'> = withDefault(oneOf('headers', 'end'), 'headers')

/** The options of a timeout: each with its bound and its default. */
export const timeoutChecks: Checks<TimeoutOptions, Filled<TimeoutOptions>> = {
  ms: duration({ min: 1 }),
  until: untilCheck,
  integration: withDefault(integrationOption, 'default'),
}

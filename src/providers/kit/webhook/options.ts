import { type Check, type Checks, withDefault } from '../../../checks.ts'
import { durationOption, functionOption } from '../../../options.ts'

/** One secret, or several while one takes the place of another: a delivery that any of them signed is accepted. */
export type WebhookSecret = string | readonly string[]

/** How old a delivery may be, for providers that sign the time. */
export interface WebhookTimeOptions {
  /** The longest time since it was signed, and the most that its clock may be ahead, in milliseconds. */
  toleranceMs?: number | undefined
  /** The time of now, epoch milliseconds. Default `Date.now`. */
  now?: (() => number) | undefined
}

export interface WebhookTime {
  readonly toleranceMs: number
  readonly now: () => number
}

/** The checks of the time options, with a provider's own tolerance as the default. */
export function timeChecks(toleranceMs: number): Checks<WebhookTimeOptions, WebhookTime> {
  return {
    toleranceMs: withDefault((name, value) => durationOption(name, value, 1), toleranceMs),
    now: (name, value) => functionOption<() => number>(name, value) ?? Date.now,
  }
}

/**
 * One or more secrets. The messages never quote one.
 * @throws TypeError, RangeError naming the option
 */
export const secretsOption: Check<readonly string[]> = (name, value) => {
  const all: readonly unknown[] = Array.isArray(value) ? value : [value]
  if (all.length === 0) throw new RangeError(`\`${name}\` must hold at least 1 secret, got 0`)
  return all.map((one) => {
    if (typeof one === 'string' && one.trim() !== '') return one
    const got = typeof one === 'string' ? 'an empty string' : one === null ? 'null' : typeof one
    throw new TypeError(`\`${name}\` must be a non-empty string, or a list of them, got ${got}`)
  })
}

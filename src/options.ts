/** Checks of option values. Every message names the option, the bound and the value that was given. */

/** A value as an error message shows it. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'function') return 'a function'
  if (Array.isArray(value)) return JSON.stringify(value)
  if (typeof value === 'object' && value !== null) return 'an object'
  return String(value)
}

/** The longest delay that a Node timer holds, in milliseconds (2^31 - 1). */
export const MAX_TIMER_MS = 2_147_483_647

export interface Bounds {
  min: number
  max?: number
}

function checkNumber(
  name: string,
  value: unknown,
  bounds: Bounds,
  kind: string,
  fits: (n: number) => boolean,
): number {
  const max = bounds.max ?? Infinity
  const bound = max === Infinity ? `>= ${bounds.min}` : `>= ${bounds.min} and <= ${max}`
  if (typeof value !== 'number' || Number.isNaN(value)) {
    throw new TypeError(`\`${name}\` must be ${kind} ${bound}, got ${shown(value)}`)
  }
  if (!fits(value) || value < bounds.min || value > max) {
    throw new RangeError(`\`${name}\` must be ${kind} ${bound}, got ${shown(value)}`)
  }
  return value
}

export function integerOption(name: string, value: unknown, bounds: Bounds): number {
  return checkNumber(name, value, bounds, 'an integer', Number.isInteger)
}

export function numberOption(name: string, value: unknown, bounds: Bounds): number {
  return checkNumber(name, value, bounds, 'a number', Number.isFinite)
}

/** A duration that a timer can hold: an integer of milliseconds, at most 2^31 - 1. */
export function durationOption(name: string, value: unknown, min = 0): number {
  return integerOption(name, value, { min, max: MAX_TIMER_MS })
}

export function booleanOption(name: string, value: unknown): boolean {
  if (typeof value !== 'boolean')
    throw new TypeError(`\`${name}\` must be true or false, got ${shown(value)}`)
  return value
}

export function stringOption(name: string, value: unknown): string {
  if (typeof value !== 'string' || value === '') {
    throw new TypeError(`\`${name}\` must be a non-empty string, got ${shown(value)}`)
  }
  return value
}

export function functionOption<F>(name: string, value: F | undefined): F | undefined {
  if (value !== undefined && typeof value !== 'function') {
    throw new TypeError(`\`${name}\` must be a function, got ${shown(value)}`)
  }
  return value
}

export function oneOfOption<T extends string>(name: string, value: unknown, allowed: readonly T[]): T {
  if (typeof value !== 'string') {
    throw new TypeError(`\`${name}\` must be one of ${allowed.join(', ')}, got ${shown(value)}`)
  }
  if (!(allowed as readonly string[]).includes(value)) {
    throw new RangeError(`\`${name}\` must be one of ${allowed.join(', ')}, got ${shown(value)}`)
  }
  return value as T
}

export function arrayOption<T>(name: string, value: unknown, item: (name: string, value: unknown) => T): T[] {
  if (!Array.isArray(value)) throw new TypeError(`\`${name}\` must be an array, got ${shown(value)}`)
  return value.map((entry, index) => item(`${name}[${index}]`, entry))
}

/**
 * Refuses what is not a plain options object, every key that `known` does not list (a typo would be a silent default),
 * and null, which would be one too.
 */
export function objectOption(name: string, value: unknown, known: readonly string[]): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new TypeError(`\`${name}\` must be an object, got ${shown(value)}`)
  }
  for (const [key, given] of Object.entries(value)) {
    if (!known.includes(key)) {
      throw new TypeError(`\`${name}\` has no option \`${key}\`; it knows ${known.join(', ')}`)
    }
    if (given === null) throw new TypeError(`\`${key}\` must have a value or be left out, got null`)
  }
}

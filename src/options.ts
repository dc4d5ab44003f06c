import type { Dispatcher } from 'undici'
import { unknownOption } from './unknown-option.ts'

/** Checks of option values. Every message names the option, the bound and the value that was given. */

/** A value as an error message shows it. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'function') return 'a function'
  if (Array.isArray(value)) return JSON.stringify(value)
  if (typeof value === 'object' && value !== null) {
    if (isDispatcher(value)) return 'a Dispatcher'
    const kind = Object.prototype.toString.call(value).slice(8, -1)
    return kind === 'Object' ? 'an object' : `${/^[AEIOU]/.test(kind) ? 'an' : 'a'} ${kind}`
  }
  return String(value)
}

/** Whether it is one of undici's, whatever copy of undici it is of. */
export function isDispatcher(value: unknown): boolean {
  const { dispatch, compose } = (value ?? {}) as Partial<Dispatcher>
  return typeof dispatch === 'function' && typeof compose === 'function'
}

/** Without what is there and undefined, which would replace a value that it is laid over. */
export function defined<T extends object>(values: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>
  }
}

/** Options with every default filled in. */
export type Filled<Options> = { [Name in keyof Options]-?: Exclude<Options[Name], undefined> }

/** The longest delay that a Node timer holds, in milliseconds (2^31 - 1). */
export const MAX_TIMER_MS = 2_147_483_647

export interface Bounds {
  min: number
  max?: number
  /** The other option that a bound comes from, as messages name it. */
  minOf?: string | undefined
  maxOf?: string | undefined
}

function checkNumber(
  name: string,
  value: unknown,
  bounds: Bounds,
  kind: string,
  fits: (n: number) => boolean,
): number {
  const max = bounds.max ?? Infinity
  const least = `>= ${bounds.min}${ofOption(bounds.minOf)}`
  const bound = max === Infinity ? least : `${least} and <= ${max}${ofOption(bounds.maxOf)}`
  if (typeof value !== 'number' || Number.isNaN(value)) {
    throw new TypeError(`\`${name}\` must be ${kind} ${bound}, got ${shown(value)}`)
  }
  if (!fits(value) || value < bounds.min || value > max) {
    throw new RangeError(`\`${name}\` must be ${kind} ${bound}, got ${shown(value)}`)
  }
  return value
}

function ofOption(option: string | undefined): string {
  return option === undefined ? '' : ` (${option})`
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
  if (typeof value !== 'boolean') {
    throw new TypeError(`\`${name}\` must be true or false, got ${shown(value)}`)
  }
  return value
}

export function stringOption(name: string, value: unknown): string {
  if (typeof value !== 'string' || value === '') {
    throw new TypeError(`\`${name}\` must be a non-empty string, got ${shown(value)}`)
  }
  return value
}

/** The longest name of an integration, in characters: it is on every record, log line and event. */
export const MAX_INTEGRATION_CHARS = 256

/** The name of an integration. */
export function integrationOption(name: string, value: unknown): string {
  const text = stringOption(name, value)
  if (text.length > MAX_INTEGRATION_CHARS) {
    throw new RangeError(
      `\`${name}\` must have at most ${MAX_INTEGRATION_CHARS} characters, got ${text.length}`,
    )
  }
  return text
}

/** A function, or `undefined`. */
export function functionOption<F>(name: string, value: unknown): F | undefined {
  if (value !== undefined && typeof value !== 'function') {
    throw new TypeError(`\`${name}\` must be a function, got ${shown(value)}`)
  }
  return value as F | undefined
}

/** Work that has to be given as a function. A promise of it has begun, and can neither be bounded nor done again. */
export function workOption(name: string, value: unknown): void {
  if (typeof value === 'function') return
  const begun = value instanceof Promise ? `, which has begun already: hand in \`() => work()\`` : ''
  throw new TypeError(`\`${name}\` must be a function, got ${shown(value)}${begun}`)
}

/**
 * A hook that must answer at once, since nobody can wait for it: it decides while a response is being handed on. An async
 * function is refused here; what answers with a promise all the same throws at its first call, which is told once.
 */
export function hookOption<F>(name: string, value: unknown): F | undefined {
  const hook = functionOption<(...given: unknown[]) => unknown>(name, value)
  if (hook === undefined) return undefined
  if (answersLater(hook)) throw new TypeError(`\`${name}\` must answer at once, got an async function`)
  const checked = (...given: unknown[]): unknown => {
    const said = hook(...given)
    if (typeof (said as PromiseLike<unknown> | null | undefined)?.then !== 'function') return said
    // nobody hears of its rejection, which would end the process
    Promise.resolve(said).catch(() => undefined)
    const error = new PromisedAnswerError(name, promising.has(hook))
    promising.add(hook)
    throw error
  }
  return checked as F
}

/** Whether a function is an async one, or a generator. One that only returns promises does not say so. */
export function answersLater(hook: object): boolean {
  const kind = Object.prototype.toString.call(hook)
  return kind === '[object AsyncFunction]' || kind.endsWith('GeneratorFunction]')
}

/** Hooks that answered with a promise. */
const promising = new WeakSet<object>()

/** A hook that must answer at once gave a promise. */
export class PromisedAnswerError extends TypeError {
  override readonly name = 'TypeError'
  /** It was told before: one mistake is not told with each request. */
  readonly told: boolean

  constructor(hook: string, told: boolean) {
    super(`\`${hook}\` must answer at once, got a promise`)
    this.told = told
  }
}

export function signalOption(name: string, value: unknown): AbortSignal | undefined {
  if (value !== undefined && !(value instanceof AbortSignal)) {
    throw new TypeError(`\`${name}\` must be an AbortSignal, got ${shown(value)}`)
  }
  return value
}

/** A dispatcher that a stack can be put on. */
export function dispatcherOption(name: string, value: unknown): Dispatcher {
  if (typeof (value as Partial<Dispatcher> | null | undefined)?.compose !== 'function') {
    throw new TypeError(`\`${name}\` must be an undici Dispatcher with compose(), got ${shown(value)}`)
  }
  return value as Dispatcher
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

/** Ids in a list: one alone would be taken for its letters, of which no entry is known. */
export function idsOption(value: unknown): readonly string[] {
  if (Array.isArray(value)) return value as readonly string[]
  throw new TypeError(`\`ids\` must be an array, got ${shown(value)}`)
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
      const all = Object.fromEntries(known.map((one) => [one, undefined]))
      throw unknownOption({ factory: name, path: [], all }, key, given)
    }
    if (given === null) throw new TypeError(`\`${key}\` must have a value or be left out, got null`)
  }
}

/** Headers as fetch takes them. The message does not say what is wrong with them: it would quote a credential. */
export function headersOption(name: string, value: unknown): Headers {
  try {
    return new Headers(value as RequestInit['headers'])
  } catch {
    throw new TypeError(`\`${name}\` must be headers as fetch takes them; a name or a value is not`)
  }
}

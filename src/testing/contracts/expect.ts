import { AssertionError } from 'node:assert'
import { inspect } from 'node:util'

/**
 * What the suites ask of values, in the words of Vitest and Jest. Their own `expect` is not asked for: node:test and Mocha
 * have none, and a suite must mean the same wherever it runs.
 */
interface Expected {
  /** The same value (`Object.is`). */
  toBe(expected: unknown): void
  /** The same contents; properties that are `undefined` and prototypes do not matter. */
  toEqual(expected: unknown): void
  /** At least these contents: lists are as long, objects may have more. */
  toMatchObject(expected: unknown): void
  toHaveLength(length: number): void
  toContain(item: unknown): void
  toBeUndefined(): void
  toBeGreaterThan(bound: number): void
  toBeGreaterThanOrEqual(bound: number): void
  toBeLessThan(bound: number): void
  toBeLessThanOrEqual(bound: number): void
}

interface ExpectedRejection {
  /** Rejects, with an error whose message has this in it. */
  toThrow(message?: string): Promise<void>
  /** Rejects with at least these contents. */
  toMatchObject(expected: object): Promise<void>
}

interface Expectation extends Expected {
  readonly not: Pick<Expected, 'toBe' | 'toContain'>
  readonly rejects: ExpectedRejection
}

/** @throws AssertionError with the two values, for the runner to show */
export function expect(actual: unknown): Expectation {
  const demand = (holds: boolean, words: string, expected: unknown, of: unknown = actual): void => {
    if (holds) return
    throw new AssertionError({ message: message(of, words, expected), actual: of, expected, operator: words })
  }
  const compare = (words: string, holds: (one: number) => boolean, bound: number): void =>
    demand(typeof actual === 'number' && holds(actual), words, bound)
  const contains = (item: unknown): boolean => (actual as readonly unknown[]).includes(item)
  return {
    toBe: (expected) => demand(Object.is(actual, expected), 'to be', expected),
    toEqual: (expected) => demand(matches(actual, expected, true), 'to equal', expected),
    toMatchObject: (expected) => demand(matches(actual, expected, false), 'to match', expected),
    toHaveLength: (length) =>
      demand((actual as readonly unknown[]).length === length, 'to have the length', length),
    toContain: (item) => demand(contains(item), 'to contain', item),
    toBeUndefined: () => demand(actual === undefined, 'to be', undefined),
    toBeGreaterThan: (bound) => compare('to be greater than', (one) => one > bound, bound),
    toBeGreaterThanOrEqual: (bound) => compare('to be at least', (one) => one >= bound, bound),
    toBeLessThan: (bound) => compare('to be less than', (one) => one < bound, bound),
    toBeLessThanOrEqual: (bound) => compare('to be at most', (one) => one <= bound, bound),
    not: {
      toBe: (expected) => demand(!Object.is(actual, expected), 'not to be', expected),
      toContain: (item) => demand(!contains(item), 'not to contain', item),
    },
    rejects: {
      async toThrow(part = '') {
        const error = await rejection(actual)
        demand(messageOf(error).includes(part), 'to reject with', part, error)
      },
      async toMatchObject(expected) {
        const error = await rejection(actual)
        demand(matches(error, expected, false), 'to reject with', expected, error)
      },
    },
  }
}

function message(actual: unknown, words: string, expected: unknown): string {
  return `expected ${shown(actual)} ${words} ${shown(expected)}`
}

async function rejection(promise: unknown): Promise<unknown> {
  let value: unknown
  try {
    value = await promise
  } catch (error) {
    return error
  }
  throw new AssertionError({
    message: message(value, 'to be', 'a rejection'),
    actual: value,
    operator: 'rejects',
  })
}

function messageOf(error: unknown): string {
  return String((error as { message?: unknown } | null | undefined)?.message)
}

/** @param whole also what is in the value and not in the expected one counts */
function matches(value: unknown, expected: unknown, whole: boolean): boolean {
  if (Object.is(value, expected)) return true
  if (typeof value !== 'object' || typeof expected !== 'object' || value === null || expected === null) {
    return false
  }
  if (ArrayBuffer.isView(value) || ArrayBuffer.isView(expected)) {
    return (
      ArrayBuffer.isView(value) && ArrayBuffer.isView(expected) && bytesOf(value).equals(bytesOf(expected))
    )
  }
  if (Array.isArray(value) || Array.isArray(expected)) {
    return (
      Array.isArray(value) &&
      Array.isArray(expected) &&
      value.length === expected.length &&
      expected.every((item, at) => matches(value[at], item, whole))
    )
  }
  const names = new Set([...Object.keys(expected), ...(whole ? Object.keys(value) : [])])
  return [...names].every((name) => matches(property(value, name), property(expected, name), whole))
}

function property(of: object, name: string): unknown {
  return (of as Readonly<Record<string, unknown>>)[name]
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength)
}

function shown(value: unknown): string {
  return inspect(value, { depth: 4, breakLength: 100 })
}

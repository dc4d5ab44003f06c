import { MAX_HEADER_CHARS, MAX_ITEMS, MAX_NAME_CHARS } from './bounds.ts'

/** Readers of one field each of a stored record: they check and copy, and say which field is wrong. */

/** What is stored cannot be a dead letter: forged, damaged, or of a newer version. */
export class DeadLetterFormatError extends Error {
  readonly code = 'ERR_DEAD_LETTER_FORMAT'
  override readonly name = 'DeadLetterFormatError'
  /** The entry, where it is known. */
  readonly id: string | undefined

  constructor(message: string, id?: string) {
    super(message)
    this.id = id
  }
}

export function wrong(field: string): DeadLetterFormatError {
  return new DeadLetterFormatError(`\`${field}\` is missing or of the wrong type`)
}

type Fields = Readonly<Record<string, unknown>>

export function object(field: string, value: unknown): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(field)
  return value as Fields
}

export function text(field: string, value: unknown, max: number): string {
  if (typeof value !== 'string') throw wrong(field)
  if (value.length > max) throw new DeadLetterFormatError(`\`${field}\` has more than ${max} characters`)
  return value
}

export function name(field: string, value: unknown): string {
  return text(field, value, MAX_NAME_CHARS)
}

/** Ids become parts of keys and of lines in terminals. */
export function identifier(value: unknown): string {
  const id = text('id', value, 128)
  if (!/^[\w.-]+$/.test(id)) {
    throw new DeadLetterFormatError('`id` may hold only letters, digits, `.`, `_` and `-`')
  }
  return id
}

export function integer(field: string, value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw wrong(field)
  return value
}

export function boolean(field: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw wrong(field)
  return value
}

export function optional<T>(value: unknown, read: (value: unknown) => T): T | undefined {
  return value === undefined || value === null ? undefined : read(value)
}

export function list<T>(
  field: string,
  value: unknown,
  max: number,
  item: (field: string, value: unknown) => T,
): T[] {
  if (!Array.isArray(value)) throw wrong(field)
  if (value.length > max) throw new DeadLetterFormatError(`\`${field}\` has more than ${max} items`)
  return value.map((entry, index) => item(`${field}[${index}]`, entry))
}

export function dictionary<T>(
  field: string,
  value: unknown,
  item: (field: string, value: unknown) => T,
): Record<string, T> {
  const entries = Object.entries(object(field, value))
  if (entries.length > MAX_ITEMS) {
    throw new DeadLetterFormatError(`\`${field}\` has more than ${MAX_ITEMS} items`)
  }
  // without a prototype, `__proto__` is a name like any other
  const copy = Object.create(null) as Record<string, T>
  for (const [key, entry] of entries) copy[key] = item(`${field}.${key.slice(0, 64)}`, entry)
  return copy
}

export function headerValue(field: string, value: unknown): string | readonly string[] {
  return Array.isArray(value)
    ? list(field, value, MAX_ITEMS, (at, item) => text(at, item, MAX_HEADER_CHARS))
    : text(field, value, MAX_HEADER_CHARS)
}

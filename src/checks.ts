import { arrayOption, isDispatcher, oneOfOption, shown } from './options.ts'
import { type OptionNames, unknownOption } from './unknown-option.ts'

export { duration, integer, number, ofOption, orInfinity } from './number-checks.ts'

/**
 * Checks the value of one option and fills in its default.
 * @param name its whole path: `deadLetter.redact.headers`
 * @param policy what the other rows of the table make of the same options, whatever their order
 * @throws TypeError, RangeError naming option, bound and value
 */
export interface Check<Value, Policy = unknown> {
  (name: string, value: unknown, policy: Policy): Value
  /** The table of an option that is an object of options. */
  readonly inner?: InnerTable
}

/**
 * One row for each option, none more and none less: a name that is forgotten, or that makes something else than the
 * policy has there, does not compile.
 */
export type Checks<Options, Policy> = {
  readonly [Name in keyof Options | keyof Policy]-?: Name extends keyof Policy
    ? Check<Policy[Name], Policy>
    : never
}

type Rows = Readonly<Record<string, Check<unknown, never>>>

interface InnerTable {
  readonly rows: Rows
  readonly orFalse: boolean
}

type OrOfPolicy<Value, Policy> = Value | ((policy: Policy) => Value)

/**
 * Checks options and fills in the defaults.
 * @param factory whom they were given to, for messages
 * @throws TypeError, RangeError naming option, bound and value
 */
export function resolveOptions<Options, Policy>(
  factory: string,
  checks: Checks<Options, Policy>,
  options: Options,
): Policy {
  checkNames(factory, checks, options)
  return checkValues(checks, options)
}

/**
 * The second half of `resolveOptions`: for options whose names are checked.
 * @throws TypeError, RangeError naming option, bound and value
 */
export function checkValues<Options, Policy>(checks: Checks<Options, Policy>, options: Options): Policy {
  return resolveRows('', checks as Rows, options as object) as Policy
}

/**
 * Checks options of one call, and fills in nothing: what is left out is left to what they are laid over.
 * @throws TypeError, RangeError naming option, bound and value
 */
export function resolveGiven<Options, Policy>(
  factory: string,
  checks: Checks<Options, Policy>,
  options: Options,
): Partial<Policy> {
  checkNames(factory, checks, options)
  return givenRows('', checks, options as object)
}

/**
 * Checks only that every name is known, and that what must be an object of options is one, at every level.
 * @throws TypeError naming the option, and what was meant
 */
export function checkNames<Options, Policy>(
  factory: string,
  checks: Checks<Options, Policy>,
  options: unknown,
): void {
  if (!isObject(options)) {
    throw new TypeError(`the options of \`${factory}\` must be an object, got ${shown(options)}`)
  }
  const rows = checks as Rows
  const check = (path: readonly string[], inner: Rows, given: object): void => {
    for (const name of Object.keys(given)) {
      const value = (given as Record<string, unknown>)[name]
      if (!Object.hasOwn(inner, name)) throw unknownOption({ factory, path, all: namesOf(rows) }, name, value)
      const table = inner[name]?.inner
      if (table === undefined) continue
      if (value === undefined || (table.orFalse && value === false)) continue
      const below = [...path, name]
      if (!isObject(value)) {
        const kind = table.orFalse ? 'an object of options or false' : 'an object of options'
        throw new TypeError(`\`${below.join('.')}\` must be ${kind}, got ${shown(value)}`)
      }
      check(below, table.rows, value)
    }
  }
  check([], rows, options)
}

/** A map or a promise is no options either: it would pass as one without any. Neither is the dispatcher that they are for. */
function isObject(value: unknown): value is object {
  return Object.prototype.toString.call(value) === '[object Object]' && !isDispatcher(value)
}

function namesOf(rows: Rows): OptionNames {
  return Object.fromEntries(
    Object.entries(rows).map(([name, { inner }]) => [name, inner && namesOf(inner.rows)]),
  )
}

function resolveRows(path: string, rows: Rows, options: object): object {
  return new Resolution(path, rows, options as Readonly<Record<string, unknown>>).policy()
}

/** Rows look at each other, in whatever order they stand in the table: each is made when it is first asked for. */
class Resolution {
  readonly #path: string
  readonly #rows: Rows
  readonly #options: Readonly<Record<string, unknown>>
  readonly #made: Record<string, unknown> = {}
  readonly #view: object

  constructor(path: string, rows: Rows, options: Readonly<Record<string, unknown>>) {
    this.#path = path
    this.#rows = rows
    this.#options = options
    this.#view = viewOf(rows, this)
  }

  policy(): object {
    for (const name of Object.keys(this.#rows)) this.make(name)
    return this.#made
  }

  make(name: string): unknown {
    if (!Object.hasOwn(this.#made, name)) {
      const path = this.#path === '' ? name : `${this.#path}.${name}`
      this.#made[name] = this.#rows[name]?.(path, this.#options[name], this.#view as never)
    }
    return this.#made[name]
  }
}

const resolution = Symbol('resolution')
const viewPrototypes = new WeakMap<Rows, object>()

/** What a row sees of the others. Its getters are made once per table: `withRetry` resolves options with each call. */
function viewOf(rows: Rows, made: Resolution): object {
  let prototype = viewPrototypes.get(rows)
  if (prototype === undefined) {
    prototype = {}
    for (const name of Object.keys(rows)) {
      Object.defineProperty(prototype, name, {
        get(this: { [resolution]: Resolution }) {
          return this[resolution].make(name)
        },
      })
    }
    viewPrototypes.set(rows, prototype)
  }
  return Object.assign(Object.create(prototype) as object, { [resolution]: made })
}

/** Only what is given: for a table whose rows do not look at each other. */
function givenRows<Options, Policy>(
  path: string,
  checks: Checks<Options, Policy>,
  options: object,
): Partial<Policy> {
  const rows = checks as Rows
  const given: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue
    given[name] = rows[name]?.(path === '' ? name : `${path}.${name}`, value, undefined as never)
  }
  return given as Partial<Policy>
}

/** The same, and `fallback` where the option is left out. */
export function withDefault<Value, Policy>(
  check: Check<Value, Policy>,
  fallback: OrOfPolicy<Value, Policy>,
): Check<Value, Policy> {
  return like(check, (name, value, policy) =>
    value === undefined ? ofPolicy(fallback, policy) : check(name, value, policy),
  )
}

/** The same, or `undefined`. */
export function optional<Value, Policy>(check: Check<Value, Policy>): Check<Value | undefined, Policy> {
  return like(check, (name, value, policy) => (value === undefined ? undefined : check(name, value, policy)))
}

/** The same, but refused where the option that it is about is left out. */
export function needs<Name extends string, Value>(
  other: Name,
  check: Check<Value>,
): Check<Value, { readonly [Other in Name]: unknown }> {
  return like(check, (name, value, policy) => {
    if (policy[other] !== undefined) return check(name, value, policy)
    throw new TypeError(`\`${name}\` needs \`${other}\`, got ${shown(value)} without it`)
  })
}

function like<Value, Policy>(
  { inner }: Check<unknown, never>,
  check: (name: string, value: unknown, policy: Policy) => Value,
): Check<Value, Policy> {
  return inner === undefined ? check : Object.assign(check, { inner })
}

function ofPolicy<Value, Policy>(value: OrOfPolicy<Value, Policy>, policy: Policy): Value {
  return typeof value === 'function' ? (value as (policy: Policy) => Value)(policy) : value
}

export function oneOf<Value extends string, Policy>(...allowed: readonly Value[]): Check<Value, Policy> {
  return (name, value) => oneOfOption(name, value, allowed)
}

export function setOf<Item>(item: Check<Item>): Check<ReadonlySet<Item>> {
  return (name, value) => new Set(arrayOption(name, value, (at, one) => item(at, one, undefined)))
}

export function listOf<Item>(item: Check<Item>): Check<readonly Item[]> {
  return (name, value) => arrayOption(name, value, (at, one) => item(at, one, undefined))
}

/** An option that a sibling function has and this one has not; `without` stands for it. */
export function onlyOf<Value>(factory: string, without: Value): Check<Value> {
  return (name, value) => {
    if (value === undefined) return without
    throw new TypeError(`\`${name}\` is not an option here: it is one of ${factory}()`)
  }
}

/** An object of options by a table of its own; all its defaults when it is left out. */
export function object<Options, Policy, Made = Policy>(
  checks: Checks<Options, Policy>,
  make: (policy: Policy) => Made = (policy) => policy as unknown as Made,
): Check<Made> {
  const rows = checks as Rows
  const check = (name: string, value: unknown): Made =>
    make(resolveRows(name, rows, (value ?? {}) as object) as Policy)
  return Object.assign(check, { inner: { rows, orFalse: false } })
}

/** A layer of the stack: on with its defaults when it is left out, off with `false`. */
export function layer<Options, Policy, Made = Policy>(
  checks: Checks<Options, Policy>,
  make: (policy: Policy) => Made = (policy) => policy as unknown as Made,
): Check<Made | false> {
  const rows = checks as Rows
  const check = (name: string, value: unknown): Made | false =>
    value === false ? false : make(resolveRows(name, rows, (value ?? {}) as object) as Policy)
  return Object.assign(check, { inner: { rows, orFalse: true } })
}

/** Options of a layer to be laid over those of the stack: only what is given, without defaults. */
export function overrides<Options, Policy>(
  checks: Checks<Options, Policy>,
): Check<Partial<Policy> | false | undefined> {
  const check = (name: string, value: unknown): Partial<Policy> | false | undefined =>
    value === false || value === undefined ? value : givenRows(name, checks, value as object)
  return Object.assign(check, { inner: { rows: checks as Rows, orFalse: true } })
}

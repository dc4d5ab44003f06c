import { type Checks, setOf, withDefault } from '../checks.ts'
import { REDACTED } from '../http/secrets/redacted-url.ts'
import { comparableName } from '../http/secrets/secret-names.ts'
import { shown, stringOption } from '../options.ts'
import { isCredentialHeader } from './record/redaction/headers.ts'
import { byPatterns, type PathPattern } from './record/redaction/path-rules.ts'
import type { RedactionRules } from './record/redaction/rules.ts'

/**
 * What is taken out of records, logs, events and errors, beside what always is (docs/secrets.md). Names are compared
 * without regard to case, by what they mean: `%70in` is `pin`.
 */
export interface RedactOptions {
  /** Names of headers that are not kept although the defaults keep them. */
  headers?: readonly string[] | undefined
  /**
   * Names of headers to keep although the defaults do not know them: `x-tenant`. A header that is not kept must be
   * given by `credentials` at replay, or the record be sealed. Credentials are never kept, and refused here.
   */
  keepHeaders?: readonly string[] | undefined
  /** Names of further parameters of urls (`?pin=`, `;pin=`) whose values are secret. */
  query?: readonly string[] | undefined
  /**
   * What further is secret in paths: patterns, or a function that gets the path (with its secrets known by shape already
   * replaced) and gives back what may be kept. A pattern is a path from its start, in which `:name` is a secret segment
   * and `*` any other (`/hooks/:token`), or an expression, whose groups are secret, or where it has none, all that it
   * matches. `false` keeps paths as they are. A record with a redacted path is not replayable, unless it is sealed.
   */
  path?: readonly (string | RegExp)[] | ((path: string) => string) | false | undefined
  /**
   * Names of further fields of bodies whose values are secret, beside passwords, tokens, keys and card numbers. A
   * redacted body is not replayable, unless the record is sealed. `false` keeps bodies as they are.
   */
  body?: readonly string[] | false | undefined
}

interface RedactPolicy extends Omit<RedactionRules, 'url'> {
  readonly query: ReadonlySet<string>
  readonly path: RedactionRules['url']['path']
}

const names = setOf((name, value) => comparableName(stringOption(name, value)))
const noNames: ReadonlySet<string> = new Set()

export const redactChecks: Checks<RedactOptions, RedactPolicy> = {
  headers: withDefault(names, noNames),
  keepHeaders: withDefault(setOf(keptHeaderOption), noNames),
  query: withDefault(names, noNames),
  path: pathOption,
  body: withDefault(bodyOption, noNames),
}

function keptHeaderOption(name: string, value: unknown): string {
  const header = comparableName(stringOption(name, value))
  if (!isCredentialHeader(header)) return header
  throw new RangeError(
    `\`${name}\` must be a header without a credential, which is never kept (a replay gets it from \`credentials\`), got ${shown(value)}`,
  )
}

/** The rules of options that are checked. */
export function rulesOf({ query, path, ...rules }: RedactPolicy): RedactionRules {
  return { ...rules, url: { query, path } }
}

/** What logs, events and errors leave out of urls beside the defaults; `undefined` when it is nothing. */
export function extraUrlRules({ url }: RedactionRules): RedactionRules['url'] | undefined {
  return url.query.size === 0 && url.path === undefined ? undefined : url
}

function bodyOption(name: string, value: unknown): RedactionRules['body'] {
  if (value === false) return undefined
  if (!Array.isArray(value)) throw new TypeError(`\`${name}\` must be an array or false, got ${shown(value)}`)
  return names(name, value, undefined)
}

function pathOption(name: string, value: unknown): RedactionRules['url']['path'] {
  if (value === undefined || value === false) return value
  if (typeof value === 'function') return byFunction(value as (path: string) => string)
  if (!Array.isArray(value)) {
    throw new TypeError(`\`${name}\` must be an array of patterns, a function or false, got ${shown(value)}`)
  }
  return byPatterns(value.map((pattern, i) => pathPattern(`${name}[${i}]`, pattern)))
}

/** What stands for a path that the user's function could not make fit to be stored. */
const NO_PATH = `/${REDACTED}`

/** The path as the user's function says. One that throws, or says no text, leaves nothing of it. */
function byFunction(ask: (path: string) => string): (path: string) => string {
  let warned = false
  const warn = (fault: string): string => {
    if (!warned) process.emitWarning(`\`redact.path\` ${fault}: paths are not kept`, 'ResilienceWarning')
    warned = true
    return NO_PATH
  }
  return (path) => {
    try {
      const said: unknown = ask(path)
      return typeof said === 'string' ? said : warn('said no text')
    } catch (error) {
      return warn(`threw ${String(error)}`)
    }
  }
}

function pathPattern(name: string, pattern: unknown): PathPattern {
  if (pattern instanceof RegExp) return pattern
  if (typeof pattern !== 'string') {
    throw new TypeError(`\`${name}\` must be a path or an expression, got ${shown(pattern)}`)
  }
  if (!/^\/(?:.*\/)?:/.test(pattern)) {
    throw new RangeError(
      `\`${name}\` must begin with "/" and have a secret segment, as "/hooks/:token", got ${JSON.stringify(pattern)}`,
    )
  }
  return pattern
}

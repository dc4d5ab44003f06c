import type { IncomingHttpHeaders } from 'node:http'
import { listOf, longestWait, parseWait } from './wait-value.ts'

/** When a limit is renewed, and whether it is used up until then. */
interface Reset {
  readonly waitMs: number
  readonly usedUp: boolean
}

const MAX_NAME_CHARS = 64

/**
 * `RateLimit-Reset` (drafts of the IETF up to 06), `X-RateLimit-Reset` (GitHub, SendGrid, Calendly), `X-Rate-Limit-Reset`
 * (X, Okta), `X-RateLimit-Reset-After` (Discord), `X-RateLimit-Reset-Requests` (OpenAI), `-Reset-Default` (Cal.com),
 * `X-RateLimit-Requests-Reset` (Linear), `Anthropic-RateLimit-Tokens-Reset`: the word between or behind names the limit.
 */
const resetName = /^(?:[a-z0-9]+-)*rate-?limit-(?:[a-z0-9_]+-)*?reset(?:-[a-z0-9_]+)*$/

/**
 * How long until the limit that refused a request is renewed, in milliseconds: of several the one that is used up, the
 * latest where it is several or none.
 *
 * @param serverNow what the clock of the server shows
 * @see https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/
 */
export function resetWait(headers: IncomingHttpHeaders, serverNow: number): number | undefined {
  let latest: number | undefined
  let latestUsedUp: number | undefined
  for (const { waitMs, usedUp } of resetsOf(headers, serverNow)) {
    if (latest === undefined || waitMs > latest) latest = waitMs
    if (usedUp && (latestUsedUp === undefined || waitMs > latestUsedUp)) latestUsedUp = waitMs
  }
  return latestUsedUp ?? latest
}

function* resetsOf(headers: IncomingHttpHeaders, serverNow: number): Generator<Reset> {
  for (const [name, value] of Object.entries(headers)) {
    if (name === 'ratelimit') {
      for (const field of typeof value === 'string' ? [value] : (value ?? [])) yield* structuredResets(field)
    } else if (name.length <= MAX_NAME_CHARS && resetName.test(name)) {
      const waitMs = longestWait(value, (text) => parseWait(text, serverNow))
      if (waitMs !== undefined) yield { waitMs, usedUp: isUsedUp(headers, name) }
    }
  }
}

/** By the header beside it: `x-ratelimit-remaining-tokens` for `x-ratelimit-reset-tokens`. */
function isUsedUp(headers: IncomingHttpHeaders, resetName: string): boolean {
  // `-after` is no limit but another unit
  const name = resetName.replace(/-after$/, '').replace('reset', 'remaining')
  return listOf(headers[name]).some((text) => text.trim() !== '' && Number(text) <= 0)
}

/**
 * The `RateLimit` field of the IETF draft: a list of limits, each with what remains and the seconds until there is more,
 * `"burst";r=0;t=5, "daily";r=70;t=3600`. Up to draft 07 one limit in words: `limit=10, remaining=0, reset=5`. What is
 * malformed is ignored, as the draft asks for.
 */
function* structuredResets(field: string): Generator<Reset> {
  const members = splitOutsideQuotes(field, ',').map((member) => splitOutsideQuotes(member, ';'))
  const inWords = members.every(([name = '']) => /^\s*(limit|remaining|reset)\s*=/.test(name))
  for (const parameters of inWords ? [members.flat()] : members) {
    const seconds = parameterOf(parameters, inWords ? 'reset' : 't')
    if (seconds === undefined) continue
    const waitMs = parseWait(seconds, 0)
    const remaining = parameterOf(parameters, inWords ? 'remaining' : 'r')
    if (waitMs !== undefined) yield { waitMs, usedUp: remaining !== undefined && Number(remaining) <= 0 }
  }
}

/** The value of a parameter that is a whole number, as its text. */
export function parameterOf(parameters: readonly string[], name: string): string | undefined {
  for (const parameter of parameters) {
    const equals = parameter.indexOf('=')
    if (equals === -1 || parameter.slice(0, equals).trim() !== name) continue
    const value = parameter.slice(equals + 1).trim()
    return /^\d+$/.test(value) ? value : undefined
  }
  return undefined
}

/** The parts between separators; nothing where a quote does not end. */
export function splitOutsideQuotes(text: string, separator: string): string[] {
  const parts: string[] = []
  let from = 0
  let quoted = false
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '"') quoted = !quoted
    else if (quoted) at += text[at] === '\\' ? 1 : 0
    else if (text[at] === separator) {
      parts.push(text.slice(from, at))
      from = at + 1
    }
  }
  return quoted ? [] : [...parts, text.slice(from)]
}

import type { IncomingHttpHeaders } from 'node:http'
import { parameterOf, splitOutsideQuotes } from './rate-limit-headers.ts'

/** A header that says what is left of a limit, and the one beside it that says which limit. */
export interface RemainingNames {
  readonly remaining: string
  readonly limit: string | undefined
}

const MAX_NAME_CHARS = 64

/** Named as the reset headers are, with `remaining` for `reset`: see `rate-limit-headers.ts`. */
const remainingName = /^(?:[a-z0-9]+-)*rate-?limit-(?:[a-z0-9_]+-)*?remaining(?:-[a-z0-9_]+)*$/

/** The headers of an answer that say what is left. */
export function remainingNames(headers: IncomingHttpHeaders): RemainingNames[] {
  const found: RemainingNames[] = []
  for (const remaining of Object.keys(headers)) {
    if (remaining.length > MAX_NAME_CHARS || !remainingName.test(remaining)) continue
    // `-limit` nearly always; HubSpot: `x-hubspot-ratelimit-max`, `x-hubspot-ratelimit-daily`
    const beside = [
      remaining.replace('remaining', 'limit'),
      remaining.replace('remaining', 'max'),
      remaining.replace('-remaining', ''),
    ]
    found.push({ remaining, limit: beside.find((name) => headers[name] !== undefined) })
  }
  return found
}

/**
 * What the `RateLimit` field of the IETF draft says is left, `"burst";r=50;t=30`, with the quota that `RateLimit-Policy`
 * names: `"burst";q=100;w=60`. What is malformed is ignored, as the draft asks for.
 *
 * @see https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/
 */
export function* structuredRemaining(
  headers: IncomingHttpHeaders,
): Generator<{ readonly remaining: number; readonly limit: number | undefined }> {
  const quotas = new Map<string, number>()
  for (const [name = '', ...parameters] of members(headers['ratelimit-policy'])) {
    const quota = parameterOf(parameters, 'q')
    if (quota !== undefined) quotas.set(name.trim(), Number(quota))
  }
  for (const [name = '', ...parameters] of members(headers['ratelimit'])) {
    const remaining = parameterOf(parameters, 'r')
    if (remaining !== undefined) yield { remaining: Number(remaining), limit: quotas.get(name.trim()) }
  }
}

function members(value: string | string[] | undefined): string[][] {
  const fields = typeof value === 'string' ? [value] : (value ?? [])
  return fields.flatMap((field) =>
    splitOutsideQuotes(field, ',').map((member) => splitOutsideQuotes(member, ';')),
  )
}

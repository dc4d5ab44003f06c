import type { IncomingHttpHeaders } from 'node:http'
import type { Call } from '../call/call.ts'
import { remainingNames, type RemainingNames, structuredRemaining } from '../http/waits/remaining.ts'
import type { Reporter } from '../telemetry/reporter.ts'
import type { Limit } from './limit.ts'
import type { Limiter } from './limiter.ts'
import type { RateLimitPolicy, Remaining } from './options.ts'

/** Answers whose names of headers are not looked through: those that were found are asked for. */
const LOOK_AGAIN = 100

/**
 * What the provider counts by itself: where it has counted more than we have, strangers use the same limit. Believed one
 * way only: a provider that counts less has begun a new window, and ours goes on.
 */
export class ProviderCounts {
  readonly #read: RateLimitPolicy['readLimits']
  readonly #reporter: Reporter
  #names: readonly RemainingNames[] = []
  #looksAgain = 0

  constructor({ readLimits }: RateLimitPolicy, reporter: Reporter) {
    this.#read = readLimits
    this.#reporter = reporter
  }

  hear(limiter: Limiter, call: Call, headers: IncomingHttpHeaders): void {
    if (this.#read !== undefined) {
      call.runInAsyncScope(this.#ask, this, this.#read, limiter, headers)
      return
    }
    if (this.#looksAgain-- <= 0) {
      this.#names = remainingNames(headers)
      this.#looksAgain = LOOK_AGAIN
    }
    const field = headers['ratelimit']
    if (field !== undefined) for (const left of structuredRemaining(headers)) apply(limiter, left)
    for (const { remaining, limit } of this.#names) {
      const text = headers[remaining]
      if (text !== undefined) {
        apply(limiter, {
          remaining: numberOf(text),
          limit: limit === undefined ? undefined : numberOf(headers[limit]),
        })
      }
    }
  }

  #ask(
    read: (headers: IncomingHttpHeaders) => readonly Remaining[],
    limiter: Limiter,
    headers: IncomingHttpHeaders,
  ): void {
    const said = this.#reporter.guard('readLimits', [], read, headers)
    if (Array.isArray(said)) for (const left of said as Remaining[]) apply(limiter, left)
  }
}

function numberOf(text: string | string[] | undefined): number {
  return typeof text === 'string' && /^\s*\d+(?:\.\d+)?\s*$/.test(text) ? Number(text) : NaN
}

/** To the limit that is meant: the one of that size, or the only one there is. */
function apply({ limits }: Limiter, { limit, remaining }: Remaining): void {
  if (!(remaining >= 0)) return
  const meant =
    limit === undefined || Number.isNaN(limit)
      ? only(limits)
      : only(limits.filter(({ rule }) => rule.limit === limit))
  if (meant === undefined || remaining > meant.rule.limit) return
  meant.hearUsed(meant.rule.limit - remaining, performance.now())
}

function only(limits: readonly Limit[]): Limit | undefined {
  return limits.length === 1 ? limits[0] : undefined
}

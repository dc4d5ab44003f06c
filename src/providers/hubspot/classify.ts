import type { IncomingHttpHeaders } from 'node:http'
import type { ClassifiedResponse } from '../../classification/options.ts'
import { headerValue } from '../../http/headers.ts'
import type { Verdict } from '../../http/outcome.ts'
import { type ErrorBody, errorBody, textOf } from '../kit/policy/error-body.ts'
import { providerFacts } from '../kit/policy/facts.ts'
import { pathOf } from '../kit/policy/route.ts'
import { dailyReset } from './daily-reset.ts'

/** How long HubSpot holds the lock behind a 423. */
const LOCK_MS = 2_000
/** "Pause for a few seconds" after a failure of HubSpot or of the network before it. */
const PAUSE_MS = 2_000
const TEN_SECONDS_MS = 10_000
const ONE_SECOND_MS = 1_000

/**
 * What a HubSpot response means. Pure: the time is passed in. The rules and where they come from:
 * docs/architecture/providers/hubspot.md.
 */
export function classifyHubSpot(
  response: ClassifiedResponse,
  now: number,
  timeZone?: string,
): Verdict | undefined {
  const { statusCode, headers } = response
  if (statusCode < 400) return undefined
  const body = errorBody(response.body)
  const policy = statusCode === 429 ? policyOf(body) : undefined
  const facts = providerFacts(
    policy ?? textOf(body, 'category', 'errorType'),
    textOf(body, 'message'),
    headerValue(headers, 'x-hubspot-correlation-id') ?? textOf(body, 'correlationId'),
  )
  switch (statusCode) {
    case 429:
      return {
        ...facts,
        kind: 'rate-limited',
        ...limitOf(headers, policy, response.request.path, now, timeZone),
      }
    case 423:
      // the lock refused the request before anything was done
      return { ...facts, safeToRetry: true, retryAfterMs: LOCK_MS, deadLetter: true }
    case 477:
      // the account is being migrated; Retry-After says for how long
      return { ...facts, deadLetter: true }
    case 502:
    case 503:
    case 504:
    case 520:
    case 521:
    case 522:
    case 523:
    case 524:
    case 529:
      return { ...facts, retryAfterMs: PAUSE_MS }
    case 530:
      return { ...facts, kind: 'permanent' }
    default:
      return facts
  }
}

function limitOf(
  headers: IncomingHttpHeaders,
  policy: string | undefined,
  path: string,
  now: number,
  timeZone: string | undefined,
): Pick<Verdict, 'retryAfterMs' | 'notBefore'> {
  if (policy === 'DAILY') return { notBefore: dailyReset(now, timeZone) }
  // the search limit may name no policy, and sends no rate headers
  if (policy === 'SECONDLY' || (policy === undefined && isSearch(path))) {
    return { retryAfterMs: ONE_SECOND_MS }
  }
  const interval = Number(headerValue(headers, 'x-hubspot-ratelimit-interval-milliseconds'))
  return { retryAfterMs: Number.isFinite(interval) && interval > 0 ? interval : TEN_SECONDS_MS }
}

/** Which limit it was: `policyName`, and where that is missing what the message calls it. */
function policyOf(body: ErrorBody | undefined): string | undefined {
  const named = textOf(body, 'policyName')
  if (named !== undefined) return named
  return /\b(ten_secondly_rolling|secondly|daily)\b/i.exec(textOf(body, 'message') ?? '')?.[1]?.toUpperCase()
}

function isSearch(path: string): boolean {
  return pathOf({ path }).endsWith('/search')
}

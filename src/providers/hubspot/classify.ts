import type { IncomingHttpHeaders } from 'node:http'
import type { Verdict } from '../../call/outcome.ts'
import type { ClassifiedResponse } from '../../classification/options.ts'
import { type ErrorBody, errorBody, textOf } from '../shared/error-body.ts'
import { headerOf, providerFacts } from '../shared/facts.ts'
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
  const facts = providerFacts(
    textOf(body, 'policyName', 'category', 'errorType'),
    textOf(body, 'message'),
    headerOf(headers, 'x-hubspot-correlation-id') ?? textOf(body, 'correlationId'),
  )
  switch (statusCode) {
    case 429:
      return {
        ...facts,
        kind: 'rate-limited',
        ...limitOf(headers, body, response.request.path, now, timeZone),
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
    case 521:
    case 523:
    case 524:
      return { ...facts, retryAfterMs: PAUSE_MS }
    case 530:
      return { ...facts, kind: 'permanent' }
    default:
      return facts
  }
}

function limitOf(
  headers: IncomingHttpHeaders,
  body: ErrorBody | undefined,
  path: string,
  now: number,
  timeZone: string | undefined,
): Pick<Verdict, 'retryAfterMs' | 'notBefore'> {
  const policy = textOf(body, 'policyName')
  if (policy === 'DAILY') return { notBefore: dailyReset(now, timeZone) }
  // the search limit names no policy and sends no rate headers
  const perSecond =
    policy === 'SECONDLY' ||
    (policy === undefined && (/secondly limit/i.test(textOf(body, 'message') ?? '') || isSearch(path)))
  if (perSecond) return { retryAfterMs: ONE_SECOND_MS }
  const interval = Number(headerOf(headers, 'x-hubspot-ratelimit-interval-milliseconds'))
  return { retryAfterMs: Number.isFinite(interval) && interval > 0 ? interval : TEN_SECONDS_MS }
}

function isSearch(path: string): boolean {
  return (path.split('?', 1)[0] ?? '').endsWith('/search')
}

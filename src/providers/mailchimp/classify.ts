import type { ClassifiedResponse } from '../../classification/options.ts'
import { headerValue } from '../../http/headers.ts'
import type { Verdict } from '../../http/outcome.ts'
import { errorBody, textOf } from '../kit/policy/error-body.ts'
import { providerFacts } from '../kit/policy/facts.ts'
import { pathOf } from '../kit/policy/route.ts'

/** How long batches that wait are given to become fewer. */
const BATCHES_MS = 600_000
/** An address that signed up to many lists is heard of again after minutes, or after days. */
const SIGNUPS_MS = 86_400_000
/** Waiting rarely ends the block of an address: it is asked again all the same. */
const BLOCK_MS = 600_000
const BLOCKED =
  'the network before Mailchimp blocks the IP address of this process; Mailchimp support can say why'

/** `/batches` and `/batch-webhooks`. */
export function isOfBatches(path: string): boolean {
  return /\/(batches|batch-webhooks)(\/|$)/.test(path)
}

/**
 * What a response of the Marketing API means. Pure: the time is passed in. The rules and where they come from:
 * docs/architecture/providers/mailchimp.md.
 */
export function classifyMailchimp(
  { statusCode, headers, body, request }: ClassifiedResponse,
  now: number,
): Verdict | undefined {
  if (statusCode < 400) return undefined
  const problem = errorBody(body)
  const title = textOf(problem, 'title')
  const facts = providerFacts(
    title,
    textOf(problem, 'detail', 'title'),
    headerValue(headers, 'x-request-id') ?? textOf(problem, 'instance'),
  )
  const detail = textOf(problem, 'detail') ?? ''
  if (statusCode === 429) {
    // not ten at once but 500 batches that wait to be worked off: no backoff of seconds helps
    const pending = isOfBatches(pathOf(request)) && /batch/i.test(detail)
    return { ...facts, kind: 'rate-limited', ...(pending ? { notBefore: now + BATCHES_MS } : {}) }
  }
  if (statusCode === 400 && /signed up to a lot of lists very recently/i.test(detail)) {
    // passes after minutes or days, and concerns this address alone
    return {
      ...facts,
      code: 'TOO_MANY_SIGNUPS',
      kind: 'transient',
      circuitFailure: false,
      notBefore: now + SIGNUPS_MS,
    }
  }
  if (statusCode === 503 && problem === undefined && /request blocked|access denied/i.test(body ?? '')) {
    // the network before Mailchimp blocks this process's IP address: no outage, and nothing was done
    return {
      ...providerFacts('IP_BLOCKED', BLOCKED, facts.requestId),
      kind: 'rate-limited',
      notBefore: now + BLOCK_MS,
    }
  }
  if (statusCode === 403) {
    // Without a JSON problem it is not Mailchimp that refuses but the network before it, for too many requests.
    const isProblem = problem !== undefined || /\bjson\b/.test(headerValue(headers, 'content-type') ?? '')
    return { ...facts, kind: isProblem ? 'permanent' : 'rate-limited' }
  }
  if (
    statusCode === 503 &&
    /compliance\s?related/i.test(`${title ?? ''} ${detail} ${textOf(problem, 'type') ?? ''}`)
  ) {
    // the account is under review: no outage, and no retry ends it
    return { ...facts, kind: 'permanent' }
  }
  return facts
}

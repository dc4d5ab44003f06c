import { type DeadLetter, isRepeatable } from '../../../dead-letter/record/record.ts'
import type { ReplayDecision } from '../../../dead-letter/replay/entry/prepare.ts'

/**
 * What a look at the provider found: `done`, the record's request has arrived; `not-done`, it has not; `undefined`, the
 * provider cannot say.
 */
export type Found = 'done' | 'not-done' | undefined

/** What of a record tells how to look it up. */
export interface Sought {
  readonly method: string
  /** Without the query. */
  readonly path: string
  readonly body: Readonly<Record<string, unknown>>
  /** When it may have arrived first, epoch milliseconds, less a minute by which clocks may differ. */
  readonly since: number
}

const CLOCKS_MS = 60_000

/**
 * Whether a record is to be sent, by what `lookUp` finds at the provider. What cannot have arrived, or may arrive twice, is
 * sent without a look.
 *
 * @param graceMs how long after its failure a request may still be worked on, or be missing from what is searched
 * @throws Error when it is not there and the grace is not over: the entry then waits
 */
export async function settleBy(
  record: DeadLetter,
  lookUp: (sought: Sought) => Promise<Found>,
  graceMs: number,
  now: number,
): Promise<ReplayDecision> {
  if (record.delivery !== 'unknown' || isRepeatable(record)) return 'send'
  const body = bodyOf(record)
  const path = URL.parse(record.request.url)?.pathname
  if (body === undefined || path === undefined) return 'hold'
  const since = (record.firstAttemptAt ?? record.timestamp) - CLOCKS_MS
  const found = await lookUp({ method: record.request.method, path, body, since })
  if (found === undefined) return 'hold'
  if (found === 'done') return 'discard'
  const leftMs = record.timestamp + graceMs - now
  if (leftMs <= 0) return 'send'
  throw new Error(`not there yet, and it may still come: to be looked up again in ${Math.ceil(leftMs)} ms`)
}

/** The body's fields, none for a request without a body; `undefined` where the body is not kept whole. */
function bodyOf({ request, replayable }: DeadLetter): Record<string, unknown> | undefined {
  if (request.bodyRedacted === true) return undefined
  if (request.body === undefined) return replayable ? {} : undefined
  try {
    const body: unknown = JSON.parse(Buffer.from(request.body).toString())
    return typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : undefined
  } catch {
    // no JSON: nothing to look for
    return undefined
  }
}

/** A field as text; `undefined` for anything else. */
export function textIn(value: unknown, field: string): string | undefined {
  const text: unknown =
    typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[field] : undefined
  return typeof text === 'string' && text !== '' ? text : undefined
}

/** Whether two texts name the same moment. */
export function sameMoment(one: string, other: string): boolean {
  return Date.parse(one) === Date.parse(other)
}

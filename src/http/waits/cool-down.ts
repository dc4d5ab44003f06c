import type { IncomingHttpHeaders } from 'node:http'
import type { Verdict } from '../outcome.ts'
import { askedWaitByVerdict, retryAfterOf } from './asked-wait.ts'

/** Whether an answer may ask that no call goes for a while: only then it is worth a look at its headers. */
export function mayAskToCoolDown(statusCode: number, verdict: Verdict | undefined): boolean {
  return statusCode === 429 || statusCode === 503 || verdict?.kind === 'rate-limited'
}

/**
 * For how long a refusal concerns all calls like it, in milliseconds; 0 where it says nothing of them. A 503 without
 * `Retry-After` is a failure like others, whatever else its headers say.
 */
export function coolDownMs(
  statusCode: number,
  headers: IncomingHttpHeaders,
  verdict: Verdict | undefined,
  now: number,
): number {
  if (verdict?.kind === 'permanent' || verdict?.kind === 'success') return 0
  if (verdict?.notBefore !== undefined) return Math.max(0, verdict.notBefore - now)
  const limited = statusCode === 429 || verdict?.kind === 'rate-limited'
  return (limited ? askedWaitByVerdict(statusCode, headers, verdict, now) : retryAfterOf(headers, now)) ?? 0
}

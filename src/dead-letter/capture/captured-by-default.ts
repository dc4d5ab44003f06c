import { isMalformedRequest } from '../../http/delivery.ts'
import { type Outcome, transientStatusCodes } from '../../http/outcome.ts'

/** Whether a final outcome becomes a dead letter, where the `capture` option does not decide. */
export function isCapturedByDefault(outcome: Outcome): boolean {
  if (outcome.kind === 'error') {
    return outcome.statusCode === undefined
      ? !isMalformedRequest(outcome.code)
      : saysNotNow(outcome.statusCode)
  }
  const { verdict, statusCode } = outcome
  if (verdict?.deadLetter !== undefined) return verdict.deadLetter
  if (verdict?.kind !== undefined) return verdict.kind === 'transient' || verdict.kind === 'rate-limited'
  return saysNotNow(statusCode)
}

function saysNotNow(statusCode: number): boolean {
  return statusCode >= 500 || transientStatusCodes.includes(statusCode)
}

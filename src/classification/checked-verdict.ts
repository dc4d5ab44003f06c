import type { Verdict } from '../http/outcome.ts'

const kinds = new Set(['success', 'transient', 'permanent', 'rate-limited', undefined])

/**
 * What the `classify` hook said, if it can be gone by: a wait that is no number would be no wait at all.
 * @throws TypeError, RangeError naming field, bound and value; the status decides then
 */
export function checkedVerdict(verdict: unknown): Verdict | undefined {
  if (verdict === undefined || verdict === null) return undefined
  if (typeof verdict !== 'object') {
    throw new TypeError(`a verdict must be an object or undefined, got ${typeof verdict}`)
  }
  const { kind, retryAfterMs, notBefore } = verdict as Verdict
  if (!kinds.has(kind)) {
    throw new RangeError(`\`kind\` must be one of ${[...kinds].join(', ')}, got ${String(kind)}`)
  }
  for (const [name, value] of Object.entries({ retryAfterMs, notBefore })) {
    if (value !== undefined && !(Number.isSafeInteger(Math.ceil(value)) && value >= 0)) {
      throw new RangeError(`\`${name}\` must be a number of milliseconds >= 0, got ${String(value)}`)
    }
  }
  return verdict as Verdict
}

import type { ReplaySummary } from '../../dead-letter/replay/summary.ts'

/** Adds a further run to a total. */
export function addSummary(total: ReplaySummary, run: Readonly<ReplaySummary>): ReplaySummary {
  total.claimed += run.claimed
  total.sent += run.sent
  total.done += run.done
  total.failed += run.failed
  total.later += run.later
  total.refused += run.refused
  total.quarantined += run.quarantined
  total.inDoubt += run.inDoubt
  total.skipped += run.skipped
  total.discarded += run.discarded
  total.corrupt += run.corrupt
  const again = new Set(run.leftAlone.map(({ origin }) => origin))
  total.leftAlone = [...total.leftAlone.filter(({ origin }) => !again.has(origin)), ...run.leftAlone]
  // each run has counted them all
  total.otherOrigins = { ...total.otherOrigins, ...run.otherOrigins }
  if (isAnySetAside(run)) total.setAside = run.setAside
  total.cancelled ||= run.cancelled
  total.durationMs += run.durationMs
  return total
}

function isAnySetAside({ setAside: { inDoubt, quarantined } }: Readonly<ReplaySummary>): boolean {
  return inDoubt + quarantined > 0
}

/** Whether everything that was taken up ended well, and nothing was passed over because of the allowed origins alone. */
export function isCleanSummary({
  claimed,
  otherOrigins,
  failed,
  later,
  refused,
  quarantined,
  inDoubt,
  skipped,
  corrupt,
}: ReplaySummary): boolean {
  if (claimed === 0 && Object.keys(otherOrigins).length > 0) return false
  return failed + later + refused + quarantined + inDoubt + skipped + corrupt === 0
}

import type { ReplaySummary } from '../dead-letter/replay-summary.ts'
import { fieldLines } from './table.ts'
import { durationText } from './time-text.ts'

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
  total.corrupt += run.corrupt
  total.cancelled ||= run.cancelled
  total.durationMs += run.durationMs
  return total
}

/** Whether everything that was taken up ended well. */
export function isCleanSummary({
  failed,
  later,
  refused,
  quarantined,
  inDoubt,
  skipped,
  corrupt,
}: ReplaySummary): boolean {
  return failed + later + refused + quarantined + inDoubt + skipped + corrupt === 0
}

export function summaryLines(summary: ReplaySummary, dryRun: boolean): string[] {
  const { refused, quarantined, inDoubt, corrupt } = summary
  const shown = (count: number, what: string): string | undefined =>
    count === 0 ? undefined : `${count}  (${what})`
  if (dryRun) {
    return fieldLines([
      ['looked at', String(summary.claimed)],
      ['would be sent', String(summary.claimed - refused - quarantined - inDoubt)],
      ['something missing', shown(refused, 'a header, a key or a query value: see above')],
      ['would be quarantined', shown(quarantined, 'forged, or damaged')],
      ['would be in doubt', shown(inDoubt, 'may have arrived; see --unknown-delivery')],
      ['cannot be read', shown(corrupt, 'quarantined by a replay')],
    ])
  }
  return fieldLines([
    ['done', String(summary.done)],
    ['failed', shown(summary.failed, 'they come back after a wait')],
    ['later', shown(summary.later, 'nothing was sent: open circuit, no connection, 429')],
    ['refused', shown(refused, 'something is missing: see above')],
    ['quarantined', shown(quarantined, 'replays used up, or refused for good')],
    ['in doubt', shown(inDoubt, 'may have arrived; see --unknown-delivery')],
    ['skipped', shown(summary.skipped, 'not their turn any more')],
    ['cannot be read', shown(corrupt, 'quarantined')],
    ['sent', String(summary.sent)],
    ['took', durationText(summary.durationMs)],
    ['interrupted', summary.cancelled ? 'yes: what was being sent is finished and recorded' : undefined],
  ])
}

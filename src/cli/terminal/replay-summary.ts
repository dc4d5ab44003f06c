import type { ReplaySummary } from '../../dead-letter/replay/summary.ts'
import { fieldLines } from './table.ts'
import { durationText } from './time-text.ts'

const MISSING =
  'a credential, header, key or query value, or a function that threw: see above, and --credentials, --credentials-env'

function setAsideText({
  inDoubt,
  quarantined,
  notReplayable,
}: ReplaySummary['setAside']): string | undefined {
  const stuck = notReplayable === 0 ? '' : `, ${notReplayable} of them not replayable as they are`
  const parts = [
    ...(quarantined === 0 ? [] : [`${quarantined} quarantined${stuck}`]),
    ...(inDoubt === 0 ? [] : [`${inDoubt} in doubt`]),
  ]
  return parts.length === 0 ? undefined : `${parts.join('; ')}: see list, with --status`
}

export function summaryLines(summary: ReplaySummary, dryRun: boolean): string[] {
  const { discarded, later, refused, quarantined, inDoubt, corrupt, leftAlone, otherOrigins } = summary
  const shown = (count: number, what: string): string | undefined =>
    count === 0 ? undefined : `${count}  (${what})`
  const elsewhere = Object.entries(otherOrigins).map(
    ([origin, count]) =>
      [
        'elsewhere',
        `${count} due of ${origin === '' ? 'no origin' : origin}: not in --allow-origin`,
      ] as const,
  )
  const untouched = ['not touched', setAsideText(summary.setAside)] as const
  if (dryRun) {
    const sent = summary.claimed - discarded - later - refused - quarantined - inDoubt
    return fieldLines([
      ['looked at', String(summary.claimed)],
      ['would be sent', String(sent)],
      ['would be discarded', shown(discarded, 'as `decide` said')],
      ['would wait', shown(later, 'for an open circuit: see above')],
      ['something missing', shown(refused, MISSING)],
      ['would be quarantined', shown(quarantined, 'forged, or damaged')],
      ['would be in doubt', shown(inDoubt, 'may have arrived, or held by `decide`; see --unknown-delivery')],
      ['cannot be read', shown(corrupt, 'quarantined by a replay')],
      untouched,
      ...elsewhere,
    ])
  }
  return fieldLines([
    ['done', String(summary.done)],
    ['discarded', shown(discarded, 'as `decide` said')],
    ['failed', shown(summary.failed, 'they come back after a wait')],
    ['later', shown(later, 'not taken, and no replay used up: see above')],
    ['refused', shown(refused, MISSING)],
    ['quarantined', shown(quarantined, 'replays used up, or refused for good')],
    ['in doubt', shown(inDoubt, 'may have arrived, or held by `decide`; see --unknown-delivery')],
    ['skipped', shown(summary.skipped, 'not their turn any more')],
    ['cannot be read', shown(corrupt, 'quarantined')],
    untouched,
    ...elsewhere,
    ...leftAlone.map(
      ({ origin, message, afterMs }) =>
        ['left alone', `${origin} for ${durationText(afterMs)}: ${message}`] as const,
    ),
    ['sent', String(summary.sent)],
    ['took', durationText(summary.durationMs)],
    ['interrupted', summary.cancelled ? 'yes: what was being sent is finished and recorded' : undefined],
  ])
}

import type { Reporter } from '../../telemetry/reporter.ts'
import { notReplayable, notReplayableReason } from '../record/not-replayable.ts'
import { type DeadLetterRecord, originOf } from '../record/record.ts'
import { redactedFields } from './redacted-fields.ts'

/** Kinds of calls that are told of. */
const MAX_TOLD = 50

/**
 * Says which calls become dead letters that cannot be sent again and which option would change that, once for each kind of
 * call: whoever learns of it at the replay has lost them. Each capture has its own line in the log beside.
 */
export class NotReplayableNotices {
  readonly #reporter: Reporter
  readonly #told = new Set<string>()

  constructor(reporter: Reporter) {
    this.#reporter = reporter
  }

  tell(record: DeadLetterRecord): void {
    if (record.replayable || this.#told.size >= MAX_TOLD) return
    const { why, option } = notReplayable(record)
    if (option === undefined) return
    const { method } = record.request
    const kind = `${method} ${originOf(record)}`
    const reason = notReplayableReason(record)
    if (this.#told.has(`${reason} ${kind}`)) return
    this.#told.add(`${reason} ${kind}`)
    const fields = reason === 'body-redacted' ? redactedFields(record.request.body) : []
    this.#reporter.advise(
      `a dead letter of ${kind} cannot be sent again: ${why}${fields.length === 0 ? '' : ` (${fields.join(', ')})`}: ${option}`,
      { reason, deadLetterId: record.id },
    )
  }
}

import type { RequestTimeoutError } from '../errors.ts'
import type { Reporter } from '../telemetry/reporter.ts'
import type { Attempt } from './attempt.ts'
import type { AttemptRecord, GivenUp } from './call-record.ts'
import type { Capturing } from './desk/captor.ts'
import type { CallTimer } from './time-limit.ts'

let calls = 0

/** A number that no other call of this process has. */
export function nextCallId(): number {
  return ++calls
}

/** A final failure that a dead letter tells of in the log, as captured or as dropped. */
interface Loss {
  readonly attempt: Attempt
  readonly teller: Reporter
}

/** What only some calls have. */
export class CallFacts {
  id: number | undefined
  url: string | undefined
  redactedUrl: string | undefined
  startedAt: number | undefined
  history: AttemptRecord[] | undefined
  givenUp: GivenUp | undefined
  repeatable: boolean | undefined
  waitedMs = 0
  deadLetterId: string | undefined
  idempotencyKey: string | undefined
  failureWaits = false
  loss: Loss | undefined
  /** What finally becomes of the call goes through it. */
  capturing: Capturing | undefined
  captorBelow: Pick<Capturing, 'abandoned'> | undefined
  /** Waits for the end of the time that the call has as a whole. */
  timer: CallTimer | undefined
  /** That time is over. */
  timedOut: RequestTimeoutError | undefined
}

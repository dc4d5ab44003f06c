import { RecordedBody } from '../../call/body/recorded-body.ts'
import { type CapturedBody, captureBody, mostCaptured } from '../../call/body/request-body.ts'
import { type CallRequest, requestOf } from '../../call/call-request.ts'
import type { Call } from '../../call/call.ts'
import { asError } from '../../errors.ts'
import { eachHeader } from '../../http/headers.ts'
import { deliveryOfOutcome, type Outcome } from '../../http/outcome.ts'
import { channels, type DeadLetterCapturedEvent } from '../../telemetry/channels.ts'
import type { DroppedCall, Loss, Reporter } from '../../telemetry/reporter.ts'
import { deadLetterId } from '../id.ts'
import type { DeadLetterPolicy } from '../options.ts'
import type { DeadLetterRecord } from '../record/record.ts'
import { isWithoutWords } from '../record/redaction/large-body.ts'
import { RECORD_BYTES, sizeOfHeaders } from '../record/size.ts'
import type { CallsUnderWay } from './calls-under-way.ts'
import { isCapturedByDefault } from './captured-by-default.ts'
import type { NotReplayableNotices } from './not-replayable-notices.ts'
import type { Reservation } from './queue/budget.ts'
import type { Captures } from './queue/captures.ts'
import { orderingKeyOf, reasonOf, recordOfCall } from './record-of-call.ts'
import type { ResponseSnapshot, TakenBody } from './response-snapshot.ts'

/** What all calls of one interceptor share. */
export interface CaptureContext {
  readonly integration: string
  readonly policy: DeadLetterPolicy
  readonly captures: Captures
  readonly reporter: Reporter
  readonly notices: NotReplayableNotices
  readonly underWay: CallsUnderWay
}

/** Whether the outcome becomes a dead letter: the `capture` option decides, else the default. */
export function isWanted(
  { policy, reporter, captures }: CaptureContext,
  call: Call,
  outcome: Outcome,
): boolean {
  if (!captures.open) return false
  const byDefault = isCapturedByDefault(outcome)
  if (policy.capture === undefined) return byDefault
  return reporter.guard('capture', byDefault, policy.capture, outcome, byDefault, requestOf(call))
}

/**
 * Takes the room that the record of a call will need. Nothing of the call is read, copied or held before.
 * @returns `undefined` when there is none: then the call is to be told as dropped, with `tellNoRoom`
 */
export function beginCapture(
  context: CaptureContext,
  call: Call,
  body: unknown,
  outcome: Outcome,
): CallCapture | undefined {
  // of its record or of the drop: before the failure is handed on to whoever gives the call up
  call.tellsOfLoss(context.reporter)
  const reservation = context.captures.reserve(mostBytes(context.policy, call, body, outcome))
  return reservation && new CallCapture(context, call, body, outcome, reservation)
}

/** Tells of a call that is not captured for want of room; whoever handles drops gets its record without bodies. */
export function tellNoRoom(context: CaptureContext, call: Call, outcome: Outcome): void {
  const id = deadLetterId()
  const body: CapturedBody = { size: 0, complete: false, reason: 'not-read' }
  context.captures.refuse(
    id,
    context.integration,
    () => ({ ...droppedCall(context, call, outcome), ...lossOf(call, outcome) }),
    () => recordOf(context, call, { id, outcome, body }),
  )
}

function droppedCall(context: CaptureContext, call: Call, outcome: Outcome): DroppedCall {
  const { method, redactedUrl: url, attempts, givenUp } = call
  return {
    method,
    url,
    attempts,
    statusCode: outcome.kind === 'response' ? outcome.statusCode : undefined,
    code: codeOf(outcome),
    labels: labelsOf(context, call),
    callReason: reasonOf({ givenUp, outcome }),
  }
}

function lossOf({ givenUp }: Call, outcome: Outcome): Loss {
  return {
    // of another reason, where something else ended it after that
    why: givenUp?.reason === reasonOf({ givenUp, outcome }) ? givenUp.why : undefined,
    error: outcome.kind === 'error' ? outcome.error : undefined,
  }
}

function codeOf(outcome: Outcome): string | undefined {
  return outcome.kind === 'error' ? outcome.code : outcome.verdict?.code
}

/** The most that the record may take, in bytes. */
function mostBytes(policy: DeadLetterPolicy, call: Call, body: unknown, outcome: Outcome): number {
  let bytes = RECORD_BYTES + call.url.length
  for (const [name, value] of eachHeader(call.options.headers)) bytes += name.length + value.length
  // a sealed body is there twice: as it was sent, and encrypted
  bytes += mostCaptured(body, policy.maxBodyBytes) * (policy.seal === undefined ? 1 : 2)
  if (outcome.kind === 'response') {
    const { 'content-length': declared } = outcome.headers
    const length = typeof declared === 'string' && /^\d+$/.test(declared) ? Number(declared) : Infinity
    bytes += sizeOfHeaders(outcome.headers) + Math.min(policy.maxResponseBytes, length)
  }
  return bytes
}

/** The capture of one call: from the reservation of its room to the record in the queue. */
export class CallCapture {
  readonly id: string
  readonly #context: CaptureContext
  readonly #call: Call
  readonly #body: unknown
  readonly #outcome: Outcome
  readonly #reservation: Reservation
  readonly #now = Date.now()
  #announced = false

  constructor(
    context: CaptureContext,
    call: Call,
    body: unknown,
    outcome: Outcome,
    reservation: Reservation,
  ) {
    this.id = deadLetterId(this.#now)
    this.#context = context
    this.#call = call
    this.#body = body
    this.#outcome = outcome
    this.#reservation = reservation
    call.deadLetterId = this.id
    call.holdBody()
    if (call.history.length < call.attempts) {
      call.logAttempt(
        call.attempt,
        outcome.kind === 'response'
          ? { statusCode: outcome.statusCode, delivery: deliveryOfOutcome(outcome) }
          : { code: outcome.code ?? outcome.error.name, delivery: outcome.delivery },
      )
    }
  }

  /** Tells the caller that there will be a record: before it has its response or error. Once. */
  announce(): void {
    const { onCaptured } = this.#call.scope ?? {}
    if (onCaptured === undefined || this.#announced) return
    this.#announced = true
    this.#context.reporter.guard('onCaptured', undefined, onCaptured, this.id)
  }

  /** Whether some of the body has not been pulled from its source yet. */
  get bodyPending(): boolean {
    const body = this.#body
    return body instanceof RecordedBody && !body.ended && !body.failed && !body.overflowed
  }

  /** Reads the body as it is now, and the unsent rest for at most `timeoutMs`; then lets go of it. Never rejects. */
  async readBody(timeoutMs: number): Promise<CapturedBody> {
    try {
      return await captureBody(this.#body, this.#context.policy.maxBodyBytes, timeoutMs)
    } catch {
      // a Blob whose file is gone
      return { size: 0, complete: false, reason: 'source-failed' }
    } finally {
      this.#call.releaseBody()
    }
  }

  /**
   * Makes the record as soon as what goes into it is there, and queues it.
   * @param body resolves to `undefined` when the caller ended the call while it was read: that is no dead letter
   */
  record(body: Promise<CapturedBody | undefined>, snapshot?: ResponseSnapshot): void {
    void this.#context.captures.capture(this.#reservation, async () => {
      const captured = await body
      if (captured === undefined) return undefined
      try {
        const withoutWords = await isWithoutWords(captured.bytes, this.#context.policy.redact)
        return this.#make(captured, withoutWords, await snapshot?.taken)
      } catch (error) {
        this.#tellFailed(error)
        return undefined
      }
    })
  }

  #tellFailed(error: unknown): void {
    const { id } = this
    const { integration, reporter } = this.#context
    if (!reporter.logs) reporter.hookFailed('deadLetter', error)
    if (!reporter.hears(channels.deadLetterDropped)) return
    reporter.deadLetterDropped(
      { id, integration, reason: 'capture-failed', error: asError(error) },
      droppedCall(this.#context, this.#call, this.#outcome),
    )
  }

  #make(
    body: CapturedBody,
    bodyWithoutWords: boolean,
    responseBody: TakenBody | undefined,
  ): DeadLetterRecord {
    const { id } = this
    const outcome = this.#outcome
    const call = this.#call
    const { integration, reporter, notices } = this.#context
    const record = recordOf(this.#context, call, {
      id,
      outcome,
      body,
      bodyWithoutWords,
      responseBody,
      now: this.#now,
    })
    if (reporter.hears(channels.deadLetterCaptured)) {
      const event: DeadLetterCapturedEvent = {
        id,
        integration,
        method: record.request.method,
        url: record.request.url,
        reason: record.reason,
        delivery: record.delivery,
        attempts: call.attempts,
        replayable: record.replayable,
        ...(record.replayable ? {} : { notReplayableReason: record.notReplayableReason }),
        statusCode: record.response?.statusCode,
        code: codeOf(outcome),
        labels: labelsOf(this.#context, call),
      }
      reporter.deadLetterCaptured(event, lossOf(call, outcome))
    }
    notices.tell(record)
    return record
  }
}

interface Captured {
  readonly id: string
  readonly outcome: Outcome
  readonly body: CapturedBody
  readonly bodyWithoutWords?: boolean
  readonly responseBody?: TakenBody | undefined
  readonly now?: number
}

function recordOf(context: CaptureContext, call: Call, captured: Captured): DeadLetterRecord {
  const { id, outcome, body, bodyWithoutWords = false, responseBody, now = Date.now() } = captured
  const { integration, policy, reporter } = context
  const { orderingKey } = policy
  return recordOfCall(
    {
      id,
      integration,
      now,
      method: call.method,
      url: call.url,
      headers: eachHeader(call.options.headers),
      body,
      bodyWithoutWords,
      attempts: call.attempts,
      history: call.history,
      givenUp: call.givenUp,
      outcome,
      responseBody,
      repeatable: call.repeatable,
      idempotencyKey: call.idempotencyKey,
      orderingKey:
        call.orderingKey ??
        (orderingKey &&
          reporter.guard('orderingKey', undefined, madeKey, orderingKey, requestOf(call, body.bytes))),
      labels: labelsOf(context, call),
    },
    policy.redact,
    policy.seal,
  )
}

function madeKey(
  make: NonNullable<DeadLetterPolicy['orderingKey']>,
  request: CallRequest,
): string | undefined {
  return orderingKeyOf(make(request))
}

function labelsOf(
  { policy }: CaptureContext,
  { labels }: Call,
): Readonly<Record<string, string>> | undefined {
  return labels === undefined ? policy.labels : { ...policy.labels, ...labels }
}

import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { AttemptRecord, GivenUp } from '../call/call-record.ts'
import { deliveryOfError, errorCode, type Delivery, type Outcome } from '../call/outcome.ts'
import type { CapturedBody } from '../call/request-body.ts'
import { transientStatusCodes } from '../call/outcome.ts'
import { MAX_LABEL_CHARS, MAX_ORDERING_KEY_CHARS, MAX_TRACEPARENT_CHARS } from './record-json.ts'
import type {
  DeadLetterAttempt,
  DeadLetterError,
  DeadLetterReason,
  DeadLetterRecord,
  DeadLetterResponse,
  NotReplayableReason,
} from './record.ts'
import { redactBody, redactHeaders, redactQuery, redactText, type RedactionRules } from './redaction.ts'
import type { Seal } from './sealing.ts'

/** The most attempts that a record lists; the newest are kept. */
const MAX_ATTEMPTS = 50
/** The farthest that a provider's wish reaches: ten years. */
const MAX_AHEAD_MS = 10 * 365 * 24 * 3_600_000

/** Mistakes of the caller: the request can never be sent as it is. */
const malformed = new Set([
  'UND_ERR_INVALID_ARG',
  'UND_ERR_NOT_SUPPORTED',
  'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH',
])

/** What of a final outcome becomes a dead letter, unless the user says otherwise. */
export function isCapturedByDefault(outcome: Outcome): boolean {
  if (outcome.kind === 'error') return outcome.code === undefined || !malformed.has(outcome.code)
  const { verdict, statusCode } = outcome
  if (verdict?.deadLetter !== undefined) return verdict.deadLetter
  if (verdict?.kind !== undefined) return verdict.kind === 'transient' || verdict.kind === 'rate-limited'
  return statusCode >= 500 || transientStatusCodes.includes(statusCode)
}

/** Everything that is known of a call when it is captured. */
export interface CapturedFacts {
  readonly id: string
  readonly name: string
  readonly now: number
  readonly method: string
  /** As asked for; may hold secrets. */
  readonly url: string
  readonly headers: Iterable<readonly [string, string]>
  readonly body: CapturedBody
  /** Attempts made; 0 when the call was refused before the first. */
  readonly attempts: number
  readonly history: readonly AttemptRecord[]
  readonly givenUp: GivenUp | undefined
  readonly outcome: Outcome
  readonly responseBody: { readonly bytes: Buffer; readonly truncated: boolean } | undefined
  readonly repeatable: boolean
  readonly idempotencyKey: string | undefined
  readonly orderingKey: string | undefined
  readonly labels: Readonly<Record<string, string>> | undefined
}

/** Makes the record: nothing that must not be stored gets past this function. */
export function deadLetterOf(
  facts: CapturedFacts,
  rules: RedactionRules,
  seal: Seal | undefined,
): DeadLetterRecord {
  const { outcome, history, body, now } = facts
  const { kept, omitted, others } = redactHeaders(facts.headers, rules)
  const { url, redacted: redactedQuery } = redactQuery(facts.url, rules)
  const sent = body.complete ? (body.bytes ?? Buffer.alloc(0)) : undefined
  const visible = sent && redactBody(sent, contentType(kept), rules)
  const attempts = history
    .filter((attempt) => attempt.code !== 'ERR_CIRCUIT_OPEN')
    .map(attemptOf)
    .slice(-MAX_ATTEMPTS)
  const hidden = visible?.changed === true || redactedQuery.length > 0 || Object.keys(others).length > 0
  const notReplayable = notReplayableReason(body, visible?.changed === true && seal === undefined)
  const record: DeadLetterRecord = {
    version: 1,
    id: facts.id,
    name: facts.name,
    timestamp: now,
    firstAttemptAt: attempts[0]?.at,
    reason: reasonOf(facts),
    delivery: deliveryOfCall(history, outcome),
    retryCount: Math.max(0, facts.attempts - 1),
    attempts,
    request: {
      method: facts.method,
      url,
      headers: kept,
      ...(omitted.length === 0 ? {} : { omittedHeaders: omitted }),
      ...(redactedQuery.length === 0 ? {} : { redactedQuery }),
      // with a seal the body is kept once, encrypted, and not a second time in the open
      ...(visible?.body === undefined || visible.body.byteLength === 0 || seal !== undefined
        ? {}
        : { body: visible.body }),
      bytes: body.size,
      ...(sent === undefined || sent.byteLength === 0 ? {} : { sha256: sha256(sent) }),
      ...(visible?.changed === true ? { bodyRedacted: true } : {}),
    },
    response: responseOf(outcome, facts.responseBody, rules),
    error: errorOf(outcome),
    replayable: notReplayable === undefined,
    ...(notReplayable === undefined ? {} : { notReplayableReason: notReplayable }),
    ...(facts.repeatable ? { repeatable: true } : {}),
    ...(facts.idempotencyKey === undefined
      ? {}
      : { idempotencyKey: facts.idempotencyKey, idempotencyHeader: 'idempotency-key' }),
    orderingKey: orderingKeyOf(facts.orderingKey),
    labels: labelsOf(facts.labels),
    traceparent: traceparentOf(kept['traceparent']),
    notBefore: notBeforeOf(facts.givenUp, now),
  }
  const worthSealing = hidden || (sent !== undefined && sent.byteLength > 0)
  if (seal === undefined || sent === undefined || !worthSealing) return record
  const content = {
    url: withoutUserinfo(facts.url),
    headers: others,
    body: sent.byteLength === 0 ? undefined : sent,
  }
  return { ...record, sealed: seal.close(record, content) }
}

function notReplayableReason(body: CapturedBody, redacted: boolean): NotReplayableReason | undefined {
  if (!body.complete) return body.reason === 'too-large' ? 'body_too_large' : 'body_incomplete'
  return redacted ? 'body_redacted' : undefined
}

function reasonOf({ givenUp, outcome }: CapturedFacts): DeadLetterReason {
  if (outcome.kind === 'error') {
    if (outcome.code === 'ERR_CIRCUIT_OPEN') return 'breaker_open'
    if ((outcome.error as { scope?: unknown }).scope === 'call') return 'deadline'
  }
  switch (givenUp?.reason) {
    case 'circuit-open':
      return 'breaker_open'
    case 'deadline':
    case 'retry-after-too-long':
      return 'deadline'
    case 'not-idempotent':
    case 'body-not-replayable':
      return 'non_retryable'
    default:
      return 'exhausted'
  }
}

/** The least certain of all attempts: one that may have arrived outweighs those that surely did not. */
function deliveryOfCall(history: readonly AttemptRecord[], outcome: Outcome): Delivery {
  const last: Delivery =
    outcome.kind === 'response' ? (outcome.verdict?.delivery ?? 'responded') : outcome.delivery
  // The outcome need not be that of an attempt: the circuit may have refused one more, or the time have run out.
  const all = new Set([last, ...history.map(deliveryOfAttempt)])
  return deliveries.find((one) => all.has(one)) ?? last
}

/** The least certain first. */
const deliveries: readonly Delivery[] = ['unknown', 'responded', 'not_sent']

function deliveryOfAttempt({ delivery, statusCode, code }: AttemptRecord): Delivery {
  return delivery ?? (statusCode === undefined ? deliveryOfError({ code }, true) : 'responded')
}

/** A time that stores can keep; `undefined` for what is none. Rounded up: the provider is never asked too early. */
function notBeforeOf(givenUp: GivenUp | undefined, now: number): number | undefined {
  const time: unknown = givenUp?.notBefore
  if (typeof time !== 'number' || !Number.isFinite(time)) return undefined
  return Math.min(Math.max(0, Math.ceil(time)), now + MAX_AHEAD_MS)
}

/** The key, or its hash when it is too long to be kept. */
function orderingKeyOf(given: unknown): string | undefined {
  if (given === undefined || given === null) return undefined
  const key = typeof given === 'string' ? given : JSON.stringify(given)
  return key === undefined || key.length <= MAX_ORDERING_KEY_CHARS ? key : sha256(Buffer.from(key))
}

function traceparentOf(header: string | readonly string[] | undefined): string | undefined {
  return typeof header === 'string' && header.length <= MAX_TRACEPARENT_CHARS ? header : undefined
}

function labelsOf(labels: CapturedFacts['labels']): CapturedFacts['labels'] {
  if (labels === undefined || Object.values(labels).every((value) => value.length <= MAX_LABEL_CHARS)) {
    return labels
  }
  return Object.fromEntries(
    Object.entries(labels).map(([name, value]) => [name, value.slice(0, MAX_LABEL_CHARS)]),
  )
}

function attemptOf({ at, ms, statusCode, code }: AttemptRecord): DeadLetterAttempt {
  return {
    at: Math.round(at),
    ms: Math.max(0, Math.round(ms)),
    ...(statusCode === undefined ? {} : { statusCode }),
    ...(code === undefined ? {} : { code: code.slice(0, 256) }),
  }
}

function responseOf(
  outcome: Outcome,
  body: CapturedFacts['responseBody'],
  rules: RedactionRules,
): DeadLetterResponse | undefined {
  if (outcome.kind !== 'response') return undefined
  const { kept } = redactHeaders(headerPairs(outcome.headers), { ...rules, headers: new Set() })
  const shown = body && redactBody(body.bytes, contentType(kept), rules)
  return {
    statusCode: outcome.statusCode,
    headers: kept,
    ...(shown?.body === undefined || shown.body.byteLength === 0
      ? {}
      : { body: shown.body.toString('utf8') }),
    ...(body?.truncated === true || (body !== undefined && shown?.body === undefined)
      ? { truncated: true }
      : {}),
  }
}

function* headerPairs(headers: IncomingHttpHeaders): Generator<[string, string]> {
  for (const [name, value] of Object.entries(headers)) {
    if (Array.isArray(value)) for (const one of value) yield [name, one]
    else if (value !== undefined) yield [name, value]
  }
}

function errorOf(outcome: Outcome): DeadLetterError {
  if (outcome.kind === 'error') return errorChain(outcome.error, 0)
  const { statusCode, verdict } = outcome
  return {
    name: 'HttpStatus',
    message: redactText(verdict?.message ?? `the server answered ${statusCode}`, 1000),
    code: (verdict?.code ?? 'ERR_HTTP_STATUS').slice(0, 256),
  }
}

/** The error with its causes, at most five deep, and the parts of an AggregateError, at most five. */
export function errorChain(error: unknown, depth: number): DeadLetterError {
  if (!(error instanceof Error)) return { name: 'Error', message: redactText(String(error), 1000) }
  const code = errorCode(error)
  const parts = error instanceof AggregateError && depth < 4 ? error.errors.slice(0, 5) : []
  return {
    name: error.name.slice(0, 256),
    message: redactText(error.message, 1000),
    ...(code === undefined ? {} : { code: code.slice(0, 256) }),
    ...(error.cause === undefined || error.cause === null || depth >= 4
      ? {}
      : { cause: errorChain(error.cause, depth + 1) }),
    ...(parts.length === 0 ? {} : { errors: parts.map((part) => errorChain(part, depth + 1)) }),
  }
}

function contentType(headers: Readonly<Record<string, string | readonly string[]>>): string {
  return String(headers['content-type'] ?? '')
}

function withoutUserinfo(url: string): string {
  return url.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/?#]*@/i, '$1').replace(/#.*$/s, '')
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

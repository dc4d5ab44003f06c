import type { IncomingHttpHeaders } from 'node:http'
import type { CapturedBody } from '../../call/body/request-body.ts'
import type { AttemptRecord, GivenUp } from '../../call/call-record.ts'
import { deliveryOfError, deliveryOfStatus, isRefusalOfOurs, type Delivery } from '../../http/delivery.ts'
import { deliveryOfOutcome, type Outcome } from '../../http/outcome.ts'
import { redactText } from '../../http/secrets/redacted-text.ts'
import { redactedUrl, withoutUserinfo } from '../../http/secrets/redacted-url.ts'
import { sha256 } from '../../http/sha256.ts'
import { MAX_CODE_CHARS, MAX_ORDERING_KEY_CHARS, MAX_TRACEPARENT_CHARS } from '../record/bounds.ts'
import { fittedRecord } from '../record/fitted-record.ts'
import type {
  DeadLetterAttempt,
  DeadLetterError,
  DeadLetterReason,
  DeadLetterRecord,
  DeadLetterResponse,
  NotReplayableReason,
} from '../record/record.ts'
import { redactBody } from '../record/redaction/body.ts'
import { bodyKind, redactHeaders, redactResponseHeaders } from '../record/redaction/headers.ts'
import { redactResponseBody } from '../record/redaction/response-body.ts'
import type { RedactionRules } from '../record/redaction/rules.ts'
import { fitsSeal, type Seal } from '../record/sealing.ts'
import { capturedError } from './captured-error.ts'
import type { TakenBody } from './response-snapshot.ts'

/** The most attempts that a record lists; the newest are kept. */
const MAX_ATTEMPTS = 50
/** The longest wait of a provider that is stored: ten years. */
export const MAX_AHEAD_MS = 10 * 365 * 24 * 3_600_000

/** Everything that is known of a call when it is captured. */
export interface CapturedFacts {
  readonly id: string
  readonly integration: string
  readonly now: number
  readonly method: string
  /** As asked for; may hold secrets. */
  readonly url: string
  readonly headers: Iterable<readonly [string, string]>
  readonly body: CapturedBody
  /** Of a large body: it was looked through, and has no word that tells of a secret. */
  readonly bodyWithoutWords: boolean
  /** Attempts made; 0 when the call was refused before the first. */
  readonly attempts: number
  readonly history: readonly AttemptRecord[]
  readonly givenUp: GivenUp | undefined
  /** Where the call has not failed: why it is kept. Default: what `givenUp` and `outcome` say. */
  readonly reason?: DeadLetterReason
  /** Not to be sent before, epoch milliseconds. Default: what `givenUp` says. */
  readonly notBefore?: number | undefined
  readonly outcome: Outcome
  readonly responseBody: TakenBody | undefined
  /** What the retry layer says of it; `undefined` where there is none. */
  readonly repeatable: boolean | undefined
  readonly idempotencyKey: string | undefined
  readonly orderingKey: string | undefined
  readonly labels: Readonly<Record<string, string>> | undefined
}

/** Makes the record: nothing that must not be stored gets past this function. */
export function recordOfCall(
  facts: CapturedFacts,
  rules: RedactionRules,
  seal: Seal | undefined,
): DeadLetterRecord {
  const { outcome, history, body, now } = facts
  const { kept, omitted, others } = redactHeaders(facts.headers, rules)
  const { url, query: redactedQuery, path: pathRedacted } = redactedUrl(facts.url, rules.url)
  const sent = body.complete ? (body.bytes ?? Buffer.alloc(0)) : undefined
  const visible = sent && redactBody(sent, bodyKind(kept), rules, facts.bodyWithoutWords && isPlain(kept))
  const listed = history
    .filter(({ code, statusCode }) => !isRefusalOfOurs(code, statusCode))
    .map(attemptOf)
    .slice(-MAX_ATTEMPTS)
  const bodyRedacted = visible?.changed === true
  const open = seal === undefined
  const notReplayable = notReplayableReason(body, open && bodyRedacted, open && pathRedacted)
  const record = fittedRecord({
    version: 1,
    id: facts.id,
    integration: facts.integration,
    timestamp: now,
    firstAttemptAt: listed[0]?.at,
    reason: facts.reason ?? reasonOf(facts),
    delivery: deliveryOfCall(history, outcome),
    attempts: facts.attempts,
    retryCount: Math.max(0, facts.attempts - 1),
    history: listed,
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
      ...(bodyRedacted ? { bodyRedacted: true } : {}),
    },
    response: responseOf(outcome, facts.responseBody, rules),
    error: errorOf(outcome, rules),
    replayable: notReplayable === undefined,
    ...(notReplayable === undefined ? {} : { notReplayableReason: notReplayable }),
    ...(facts.repeatable === undefined ? {} : { repeatable: facts.repeatable }),
    ...(facts.idempotencyKey === undefined
      ? {}
      : { idempotencyKey: facts.idempotencyKey, idempotencyHeader: 'idempotency-key' }),
    orderingKey: orderingKeyOf(facts.orderingKey),
    labels: facts.labels,
    traceparent: traceparentOf(kept['traceparent']),
    notBefore: notBeforeOf(facts.notBefore ?? facts.givenUp?.notBefore, now),
  })
  // also where there is nothing to hide: the seal says that nobody has changed the request
  if (seal === undefined || sent === undefined) return record
  const head = { url: withoutUserinfo(facts.url).replace(/#.*$/s, ''), headers: others }
  const content = sent.byteLength === 0 ? undefined : sent
  if (fitsSeal(head)) return { ...record, sealed: seal.close(record, { ...head, body: content }) }
  const cut: DeadLetterRecord = {
    ...record,
    replayable: false,
    notReplayableReason: 'request-too-large',
    cut: [...(record.cut ?? []), 'sealed'],
  }
  return { ...cut, sealed: seal.close(cut, { url: record.request.url, headers: {}, body: content }) }
}

/** In compressed bytes no words can be found. */
function isPlain(headers: Readonly<Record<string, unknown>>): boolean {
  return headers['content-encoding'] === undefined
}

function notReplayableReason(
  body: CapturedBody,
  bodyRedacted: boolean,
  pathRedacted: boolean,
): NotReplayableReason | undefined {
  if (!body.complete) {
    if (body.reason === 'not-read') return 'body-unavailable'
    return body.reason === 'too-large' ? 'body-too-large' : 'body-incomplete'
  }
  if (bodyRedacted) return 'body-redacted'
  return pathRedacted ? 'path-redacted' : undefined
}

/** Why a call that failed is kept. */
export function reasonOf({ givenUp, outcome }: Pick<CapturedFacts, 'givenUp' | 'outcome'>): DeadLetterReason {
  if (outcome.kind === 'error') {
    if (isRefusalOfOurs(outcome.code, outcome.statusCode)) {
      return outcome.code === 'ERR_CIRCUIT_OPEN' ? 'circuit-open' : 'rate-limited'
    }
    if ((outcome.error as { scope?: unknown }).scope === 'call') return 'deadline'
  }
  return givenUp?.reason ?? 'exhausted'
}

/** The least certain of all attempts: one that may have arrived outweighs those that surely did not. */
function deliveryOfCall(history: readonly AttemptRecord[], outcome: Outcome): Delivery {
  const last = deliveryOfOutcome(outcome)
  // The outcome need not be that of an attempt: the circuit may have refused one more, or the time have run out.
  const all = new Set([last, ...history.map(deliveryOfAttempt)])
  return deliveries.find((one) => all.has(one)) ?? last
}

/** The least certain first. */
const deliveries: readonly Delivery[] = ['unknown', 'responded', 'not-sent']

function deliveryOfAttempt({ delivery, statusCode, code }: AttemptRecord): Delivery {
  return (
    delivery ?? (statusCode === undefined ? deliveryOfError({ code }, true) : deliveryOfStatus(statusCode))
  )
}

/** The provider's time as stores can keep it, rounded up, so that it is never asked too early; `undefined` for no number. */
function notBeforeOf(time: unknown, now: number): number | undefined {
  if (typeof time !== 'number' || !Number.isFinite(time)) return undefined
  return Math.min(Math.max(0, Math.ceil(time)), now + MAX_AHEAD_MS)
}

/** The key as text, or its hash when it is too long to be kept. Throws for what cannot be written. */
export function orderingKeyOf(given: unknown): string | undefined {
  if (given === undefined || given === null) return undefined
  const key = typeof given === 'string' || typeof given === 'bigint' ? String(given) : JSON.stringify(given)
  return key === undefined || key.length <= MAX_ORDERING_KEY_CHARS ? key : sha256(Buffer.from(key))
}

function traceparentOf(header: string | readonly string[] | undefined): string | undefined {
  return typeof header === 'string' && header.length <= MAX_TRACEPARENT_CHARS ? header : undefined
}

function attemptOf({ at, ms, statusCode, code }: AttemptRecord): DeadLetterAttempt {
  return {
    at: Math.round(at),
    ms: Math.max(0, Math.round(ms)),
    ...(statusCode === undefined ? {} : { statusCode }),
    ...(code === undefined ? {} : { code: code.slice(0, MAX_CODE_CHARS) }),
  }
}

function responseOf(
  outcome: Outcome,
  body: CapturedFacts['responseBody'],
  rules: RedactionRules,
): DeadLetterResponse | undefined {
  if (outcome.kind !== 'response') return undefined
  const headers = redactResponseHeaders(headerPairs(outcome.headers), rules)
  const shown = body && redactResponseBody(body, bodyKind(headers), rules)
  return {
    statusCode: outcome.statusCode,
    headers,
    ...(shown?.text === undefined || shown.text === '' ? {} : { body: shown.text }),
    ...(shown?.truncated === true ? { truncated: true } : {}),
  }
}

function* headerPairs(headers: IncomingHttpHeaders): Generator<[string, string]> {
  for (const [name, value] of Object.entries(headers)) {
    if (Array.isArray(value)) for (const one of value) yield [name, one]
    else if (value !== undefined) yield [name, value]
  }
}

function errorOf(outcome: Outcome, { url }: RedactionRules): DeadLetterError {
  const say = (text: string): string => redactText(text, 1000, url)
  if (outcome.kind === 'error') return capturedError(outcome.error, say)
  const { statusCode, verdict } = outcome
  return {
    name: 'HttpStatus',
    message: say(verdict?.message ?? `the server answered ${statusCode}`),
    code: (verdict?.code ?? 'ERR_HTTP_STATUS').slice(0, MAX_CODE_CHARS),
  }
}

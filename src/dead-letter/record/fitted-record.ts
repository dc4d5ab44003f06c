import {
  MAX_CODE_CHARS,
  MAX_HEADER_CHARS,
  MAX_ITEMS,
  MAX_LABEL_CHARS,
  MAX_METHOD_CHARS,
  MAX_NAME_CHARS,
  MAX_URL_CHARS,
  partChars,
} from './bounds.ts'
import type { DeadLetterError, DeadLetterRecord, DeadLetterRequest, DeadLetterResponse } from './record.ts'

type Headers = DeadLetterRequest['headers']

/** What a part takes as JSON, with the comma and the colon around it. */
function sizeOf(...values: unknown[]): number {
  return values.reduce<number>((sum, value) => sum + (JSON.stringify(value) ?? '').length + 1, 0)
}

/**
 * The record within its bounds, so that whoever stores it can read it again: what is too long is cut, what is too much is
 * left out, and `cut` names it. A request that is no longer what was sent is not replayable.
 */
export function fittedRecord(record: DeadLetterRecord): DeadLetterRecord {
  const cut: string[] = []
  const request = fittedRequest(record.request, cut)
  const { idempotencyKey } = record
  const keyFits =
    idempotencyKey === undefined ||
    (idempotencyKey.length <= MAX_HEADER_CHARS && sizeOf(idempotencyKey) <= partChars.idempotencyKey)
  // without its key it may not be sent a second time
  if (!keyFits) cut.push('idempotencyKey')
  const isWhole = cut.every((part) => part === 'request.headers')
  const response = record.response && fittedResponse(record.response, cut)
  const error = fittedError(record.error, cut)
  const labels = record.labels && fittedLabels(record.labels, cut)
  if (cut.length === 0) return record
  return {
    ...record,
    request,
    response,
    error,
    labels,
    ...(keyFits ? {} : { idempotencyKey: undefined, idempotencyHeader: undefined }),
    ...(isWhole ? {} : { replayable: false, notReplayableReason: 'request-too-large' }),
    cut,
  }
}

function fittedRequest(request: DeadLetterRequest, cut: string[]): DeadLetterRequest {
  const { method, url } = request
  if (method.length > MAX_METHOD_CHARS) cut.push('request.method')
  const shortUrl = fittedText(url, MAX_URL_CHARS, partChars.url)
  if (shortUrl !== url) cut.push('request.url')
  const { kept, dropped } = fittedHeaders(request.headers, partChars.requestHeaders)
  if (dropped.length > 0) cut.push('request.headers')
  const names = (given: readonly string[], part: 'omittedHeaders' | 'redactedQuery'): readonly string[] => {
    const fitting = fittedNames(given, partChars[part])
    if (fitting.length < given.length) cut.push(`request.${part}`)
    return fitting
  }
  const omitted = names([...new Set([...dropped, ...(request.omittedHeaders ?? [])])], 'omittedHeaders')
  const redacted = names(request.redactedQuery ?? [], 'redactedQuery')
  return {
    ...request,
    method: method.slice(0, MAX_METHOD_CHARS),
    url: shortUrl,
    headers: kept,
    omittedHeaders: omitted.length === 0 ? undefined : omitted,
    redactedQuery: redacted.length === 0 ? undefined : redacted,
  }
}

function fittedResponse(response: DeadLetterResponse, cut: string[]): DeadLetterResponse {
  const { kept, dropped } = fittedHeaders(response.headers, partChars.responseHeaders)
  if (dropped.length > 0) cut.push('response.headers')
  const { body } = response
  const start = body === undefined ? undefined : fittedText(body, body.length, partChars.responseBody)
  return {
    ...response,
    headers: kept,
    ...(start === undefined ? {} : { body: start }),
    ...(start === body ? {} : { truncated: true }),
  }
}

/** The text, or as much of its beginning as may stand there. */
function fittedText(text: string, maxChars: number, maxSize: number): string {
  // a character takes six at most: \u0000
  if (text.length <= maxChars && text.length * 6 + 3 <= maxSize) return text
  let fitting = text.slice(0, maxChars)
  for (let size = sizeOf(fitting); size > maxSize; size = sizeOf(fitting)) {
    fitting = fitting.slice(0, Math.floor((fitting.length * maxSize) / size) - 1)
  }
  return fitting
}

/** Each header whole or not at all: of one with too many values none is kept. */
function fittedHeaders(headers: Headers, maxSize: number): { kept: Headers; dropped: string[] } {
  const kept = Object.create(null) as Record<string, string | readonly string[]>
  const dropped: string[] = []
  let left = maxSize
  let count = 0
  for (const [name, value] of Object.entries(headers)) {
    const values = typeof value === 'string' ? [value] : value
    const size = sizeOf(name, value)
    if (
      count === MAX_ITEMS ||
      size > left ||
      values.length > MAX_ITEMS ||
      values.some((one) => one.length > MAX_HEADER_CHARS)
    ) {
      dropped.push(name)
      continue
    }
    kept[name] = value
    left -= size
    count++
  }
  return dropped.length === 0 ? { kept: headers, dropped } : { kept, dropped }
}

function fittedNames(names: readonly string[], maxSize: number): readonly string[] {
  let left = maxSize
  const fitting = names.filter((name) => {
    const size = sizeOf(name)
    if (name.length > MAX_NAME_CHARS || size > left) return false
    left -= size
    return true
  })
  return fitting.slice(0, MAX_ITEMS)
}

function fittedLabels(
  labels: Readonly<Record<string, string>>,
  cut: string[],
): Readonly<Record<string, string>> {
  const fitting = Object.create(null) as Record<string, string>
  let left: number = partChars.labels
  let count = 0
  let isWhole = true
  for (const [name, given] of Object.entries(labels)) {
    const value = given.slice(0, MAX_LABEL_CHARS)
    const size = sizeOf(name, value)
    if (value !== given) isWhole = false
    if (size > left || count === MAX_ITEMS) {
      isWhole = false
      continue
    }
    fitting[name] = value
    left -= size
    count++
  }
  if (isWhole) return labels
  cut.push('labels')
  return fitting
}

/** The error with as many of its causes and parts as there is room for, the outermost first. */
function fittedError(error: DeadLetterError, cut: string[]): DeadLetterError {
  let left: number = partChars.error
  let isWhole = true
  const fit = (one: DeadLetterError): DeadLetterError | undefined => {
    const { name, message, code, cause, errors } = one
    const own = {
      name: name.slice(0, MAX_CODE_CHARS),
      message,
      ...(code === undefined ? {} : { code: code.slice(0, MAX_CODE_CHARS) }),
    }
    const size = sizeOf(own) + 32
    if (size > left) {
      isWhole = false
      return undefined
    }
    left -= size
    const inner = cause && fit(cause)
    const parts = errors?.map(fit).filter((part) => part !== undefined)
    return {
      ...own,
      ...(inner === undefined ? {} : { cause: inner }),
      ...(parts === undefined || parts.length === 0 ? {} : { errors: parts }),
    }
  }
  const fitting = fit(error)
  if (isWhole) return error
  cut.push('error')
  return fitting ?? { name: error.name, message: '' }
}

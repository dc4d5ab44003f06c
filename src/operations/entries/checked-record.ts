import { DeadLetterFormatError } from '../../dead-letter/record/json.ts'
import type { DeadLetterRecord } from '../../dead-letter/record/record.ts'
import { isCredentialHeader, isTransportHeader } from '../../dead-letter/record/redaction/headers.ts'
import { bodyFault, headerFault, methodFault, urlFault } from '../../http/sendable-request.ts'

/**
 * Refuses what a replay could not send, and leaves out what it would not: an imported or edited entry is checked when
 * it comes, not when it is sent.
 * @throws {DeadLetterFormatError} that never repeats a header's value
 */
export function checkedRecord(record: DeadLetterRecord): DeadLetterRecord {
  const { request } = record
  checkUrl(request.url)
  refuse('its method', methodFault(request.method))
  const headers = Object.create(null) as Record<string, string | readonly string[]>
  const omitted = new Set(request.omittedHeaders)
  for (const [given, value] of Object.entries(request.headers)) {
    const name = given.toLowerCase()
    checkHeader(name, value)
    if (isTransportHeader(name)) continue
    if (isCredentialHeader(name)) omitted.add(name)
    else headers[name] = value
  }
  if (record.idempotencyKey !== undefined) {
    checkHeader(record.idempotencyHeader ?? 'idempotency-key', record.idempotencyKey)
  }
  checkBody(record)
  return {
    ...record,
    request: { ...request, headers, ...(omitted.size === 0 ? {} : { omittedHeaders: [...omitted] }) },
  }
}

/** @throws {DeadLetterFormatError} */
export function checkUrl(text: string): URL {
  refuse('its url', urlFault(text))
  return new URL(text)
}

/** @throws {DeadLetterFormatError} */
export function checkHeader(name: string, value: string | readonly string[]): void {
  refuse('the header', headerFault(name, value))
}

function checkBody({ request, sealed }: DeadLetterRecord): void {
  if (request.body === undefined || sealed !== undefined || request.bodyRedacted === true) return
  refuse('its body', bodyFault(request.body, request))
}

function refuse(part: string, fault: string | undefined): void {
  if (fault !== undefined) throw new DeadLetterFormatError(`${part} ${fault}`)
}

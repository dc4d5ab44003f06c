import { createHash } from 'node:crypto'
import { deadLetterId } from '../../dead-letter/id.ts'
import type { DeadLetterRecord, DeadLetterRequest } from '../../dead-letter/record/record.ts'

/** What a record made for a test has in place of the defaults. */
export type RecordChanges = Partial<Omit<DeadLetterRecord, 'request'>> & {
  request?: Partial<DeadLetterRequest>
}

/** A dead letter as the capture makes it: a PUT with a small JSON body, failed with 503 after four attempts. */
export function makeRecord(changes: RecordChanges = {}): DeadLetterRecord {
  const timestamp = changes.timestamp ?? Date.now()
  const before = (ms: number): number => Math.max(0, timestamp - ms)
  const body =
    changes.request && 'body' in changes.request ? changes.request.body : Buffer.from('{"name":"Ada"}')
  return {
    version: 1,
    id: deadLetterId(),
    integration: 'hubspot',
    timestamp,
    firstAttemptAt: before(50),
    reason: 'exhausted',
    delivery: 'responded',
    attempts: 1,
    retryCount: 1,
    history: [
      { at: before(50), ms: 10, statusCode: 503 },
      { at: before(20), ms: 12, statusCode: 503 },
    ],
    response: { statusCode: 503, headers: { 'content-type': 'text/plain' }, body: 'busy' },
    error: { name: 'HttpStatus', message: 'the server answered 503', code: 'ERR_HTTP_STATUS' },
    replayable: true,
    ...changes,
    request: {
      method: 'PUT',
      url: 'https://api.example.com/contacts/1',
      headers: { 'content-type': 'application/json', accept: ['a', 'b'] },
      bytes: body?.byteLength ?? 0,
      ...(body === undefined ? {} : { sha256: createHash('sha256').update(body).digest('hex') }),
      body,
      ...changes.request,
    },
  }
}

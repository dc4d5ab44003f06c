import { randomBytes } from 'node:crypto'
import { CaptureQueue } from '../src/dead-letter/capture/queue/queue.ts'
import { deadLetterId } from '../src/dead-letter/id.ts'
import { localDeadLetters } from '../src/dead-letter/local/local-dead-letters.ts'
import { recordToJson } from '../src/dead-letter/record/json.ts'
import type { DeadLetterRecord } from '../src/dead-letter/record/record.ts'
import type { DeadLetterStore } from '../src/dead-letter/store/store.ts'
import { Reporter } from '../src/telemetry/reporter.ts'

// What the measures of captures have in common.

export function captureRecord(body: string): DeadLetterRecord {
  const now = Date.now()
  return {
    version: 1,
    id: deadLetterId(),
    integration: 'hubspot',
    timestamp: now,
    reason: 'exhausted',
    delivery: 'responded',
    attempts: 1,
    retryCount: 0,
    history: [{ at: now, ms: 3, statusCode: 503 }],
    request: {
      method: 'PUT',
      url: 'https://api.example.com/contacts/1',
      headers: { 'content-type': 'application/json' },
      body: Buffer.from(body),
      bytes: body.length,
      sha256: '0'.repeat(64),
    },
    response: { statusCode: 503, headers: {} },
    error: { name: 'HttpStatus', message: 'the server answered 503', code: 'ERR_HTTP_STATUS' },
    replayable: true,
  }
}

/** What a record of these calls weighs without its body: with it, 1 KB. */
export const META = recordToJson(captureRecord('')).length
export const BODY = randomBytes(512)
  .toString('hex')
  .slice(0, 1024 - META)

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN
}

export async function perSecond(count: number, work: () => Promise<void>): Promise<number> {
  const began = performance.now()
  await work()
  return (count / (performance.now() - began)) * 1000
}

/** So many captures, as calls that fail one after the other make them, until all are in the store. */
export async function captureAll(store: DeadLetterStore, count: number): Promise<void> {
  const queue = new CaptureQueue({
    store,
    spool: localDeadLetters(),
    maxQueued: count,
    maxQueuedBytes: 1024 ** 3,
    // what the store takes is measured, not the spool beside it, to which a flood would go as well
    spoolAfterMs: 30_000,
    storeTimeoutMs: 30_000,
    onDrop: (_record, reason) => {
      throw new Error(`dropped: ${reason}`)
    },
    reporter: new Reporter('bench'),
    logger: undefined,
  })
  for (let i = 0; i < count; i++) {
    queue.push(captureRecord(BODY))
    // calls fail one after the other, with the event loop between them
    if (i % 100 === 99) await new Promise((resolve) => setImmediate(resolve))
  }
  await queue.close(60_000)
}

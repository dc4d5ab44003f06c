import type { DeadLetter, DeadLetterReplay } from '../../../src/dead-letter/record/record.ts'
import { initialState } from '../../../src/dead-letter/store/lifecycle.ts'
import { makeRecord, type RecordChanges } from '../../../src/testing/contracts/records.ts'

/** When the entries were captured. */
export const NOW = 1_800_000_000_000

export function entry(changes: RecordChanges & { replays?: readonly DeadLetterReplay[] } = {}): DeadLetter {
  const { replays = [], ...rest } = changes
  const record = makeRecord({ timestamp: NOW, ...rest })
  return { ...record, ...initialState(record), replays }
}

export const post = { request: { method: 'POST' } }
export const put = { request: { method: 'PUT' } }

/** Every way in which a request can be repeatable or not: what it says, and whether it may be sent twice. */
export const requests = [
  ['a PUT', put, true],
  ['a POST', post, false],
  ['a POST with a key', { ...post, idempotencyKey: 'k' }, true],
  ['a POST with an empty key', { ...post, idempotencyKey: '' }, false],
  ['a POST with the word for a missing key', { ...post, idempotencyKey: 'undefined' }, false],
  ['a POST that the retry layer may repeat', { ...post, repeatable: true }, true],
  ['a PUT that the retry layer must not repeat', { ...put, repeatable: false }, false],
  ['a PUT that it must not repeat, with a key', { ...put, repeatable: false, idempotencyKey: 'k' }, true],
] as const

import { setImmediate as nextTurn } from 'node:timers/promises'
import { FieldNames, MAX_READ_BYTES } from './field-names.ts'
import type { RedactionRules } from './rules.ts'

/** Bytes that are looked through in one turn of the event loop. */
const SLICE_BYTES = 512 * 1024

/** No word of a secret is longer, with what may stand between its parts. */
const OVERLAP_BYTES = 256

/**
 * Whether a body that is too large to be taken apart has no word of a secret anywhere, so that it may be kept as it is.
 * Looks through it slice by slice, and lets others run between them.
 */
export async function isWithoutWords(body: Uint8Array | undefined, rules: RedactionRules): Promise<boolean> {
  if (body === undefined || body.byteLength <= MAX_READ_BYTES || rules.body === undefined) return false
  const names = new FieldNames(rules.body)
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  for (let at = 0; at < bytes.byteLength; at += SLICE_BYTES) {
    await nextTurn()
    if (names.mayHold(bytes.toString('utf8', at, at + SLICE_BYTES + OVERLAP_BYTES))) return false
  }
  return true
}

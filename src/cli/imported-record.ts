import {
  DeadLetterFormatError,
  MAX_STORED_BODY_BYTES,
  parseJson,
  recordFromValue,
} from '../dead-letter/record-json.ts'
import type { DeadLetterRecord } from '../dead-letter/record.ts'
import { checkedRecord } from './checked-record.ts'

/** Deeper than any record of ours: an error chain of six with its parts. */
const MAX_DEPTH = 32

/**
 * Reads one line of an export. Where the entry stood (status, replays) is not taken over.
 * @throws {DeadLetterFormatError} that says what is wrong
 */
export function importedRecord(line: string): DeadLetterRecord {
  checkDepth(line)
  const value = parseJson(line)
  const fields = isObject(value) ? value : {}
  const request = isObject(fields['request']) ? fields['request'] : {}
  const sealed = isObject(fields['sealed']) ? fields['sealed'] : {}
  const body = bytes('request.body', request['body'], request['bodyEncoding'])
  const sealedData = bytes('sealed.data', sealed['data'], 'base64')
  return checkedRecord(recordFromValue(value, body, sealedData))
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function bytes(field: string, value: unknown, encoding: unknown): Uint8Array | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'string') throw new DeadLetterFormatError(`\`${field}\` is of the wrong type`)
  if (encoding !== 'utf8' && encoding !== 'base64') {
    throw new DeadLetterFormatError(`\`${field}Encoding\` must be "utf8" or "base64"`)
  }
  if (encoding === 'base64' && !/^[A-Za-z0-9+/]*={0,2}$/.test(value)) {
    throw new DeadLetterFormatError(`\`${field}\` is not base64`)
  }
  const data = Buffer.from(value, encoding)
  if (data.byteLength > MAX_STORED_BODY_BYTES) {
    throw new DeadLetterFormatError(`\`${field}\` has more than ${MAX_STORED_BODY_BYTES} bytes`)
  }
  return data
}

/** Looks at brackets before anything is parsed: what is nested deeply costs memory and, in a parser, the stack. */
function checkDepth(line: string): void {
  let depth = 0
  let inString = false
  for (let at = 0; at < line.length; at++) {
    const code = line.charCodeAt(at)
    if (inString) {
      if (code === 0x5c) at++
      else if (code === 0x22) inString = false
    } else if (code === 0x22) inString = true
    else if (code === 0x7b || code === 0x5b) {
      if (++depth > MAX_DEPTH) throw new DeadLetterFormatError(`nested deeper than ${MAX_DEPTH}`)
    } else if (code === 0x7d || code === 0x5d) depth--
  }
}

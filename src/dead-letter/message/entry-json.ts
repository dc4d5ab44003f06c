import { isUtf8 } from 'node:buffer'
import { MAX_STORED_BODY_BYTES } from '../record/bounds.ts'
import { isNestedDeeper } from '../record/json-depth.ts'
import { DeadLetterFormatError, parseJson, recordFromValue } from '../record/json.ts'
import type { DeadLetter, DeadLetterRecord } from '../record/record.ts'

/** Deeper than any record of ours: an error chain of six with its parts. */
const MAX_DEPTH = 32

type BodyJson = { body: string; bodyEncoding: 'utf8' | 'base64' }

function bodyJson(body: Uint8Array): BodyJson {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  return isUtf8(bytes)
    ? { body: bytes.toString('utf8'), bodyEncoding: 'utf8' }
    : { body: bytes.toString('base64'), bodyEncoding: 'base64' }
}

/** An entry as JSON, bodies included: what an export and a message hold, and what an import and a consumer read. */
export function entryToJson(entry: DeadLetterRecord | DeadLetter): object {
  const { request, sealed, ...rest } = entry
  const { body, ...bare } = request
  return {
    ...rest,
    request: { ...bare, ...(body === undefined ? {} : bodyJson(body)) },
    ...(sealed === undefined
      ? {}
      : {
          sealed: {
            keyId: sealed.keyId,
            ...(sealed.data === undefined ? {} : { data: Buffer.from(sealed.data).toString('base64') }),
          },
        }),
  }
}

/**
 * Reads what {@link entryToJson} wrote.
 * @returns the record, and all fields as they stand there, unchecked
 * @throws {DeadLetterFormatError} that says what is wrong
 */
export function recordFromEntryJson(json: string): {
  record: DeadLetterRecord
  fields: Readonly<Record<string, unknown>>
} {
  if (isNestedDeeper(json, MAX_DEPTH)) throw new DeadLetterFormatError(`nested deeper than ${MAX_DEPTH}`)
  const value = parseJson(json)
  const fields = isObject(value) ? value : {}
  const request = isObject(fields['request']) ? fields['request'] : {}
  const sealed = isObject(fields['sealed']) ? fields['sealed'] : {}
  const body = bytes('request.body', request['body'], request['bodyEncoding'])
  const sealedData = bytes('sealed.data', sealed['data'], 'base64')
  return { record: recordFromValue(value, body, sealedData), fields }
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

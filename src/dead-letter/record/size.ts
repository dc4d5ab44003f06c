import type { DeadLetterRecord } from './record.ts'

/** What a record takes beside what is counted, in bytes: a guess, for the bounds of memory only. */
export const RECORD_BYTES = 2048

/** What a record takes in memory, in bytes. */
export function sizeOfRecord({ request, response, sealed }: DeadLetterRecord): number {
  return (
    RECORD_BYTES +
    request.url.length +
    sizeOfHeaders(request.headers) +
    (request.body?.byteLength ?? 0) +
    (sealed?.data?.byteLength ?? 0) +
    (response === undefined ? 0 : sizeOfHeaders(response.headers) + (response.body?.length ?? 0))
  )
}

/** What header names and values take, in characters. */
export function sizeOfHeaders(
  headers: Readonly<Record<string, string | readonly string[] | undefined>>,
): number {
  let size = 0
  for (const [name, value = ''] of Object.entries(headers)) {
    size += name.length
    if (typeof value === 'string') size += value.length
    else for (const one of value) size += one.length
  }
  return size
}

import { isUtf8 } from 'node:buffer'
import type { DeadLetter } from '../dead-letter/record.ts'

/** The largest text body that is shown as text in JSON; `isUtf8` alone would take binary that happens to be valid. */
type BodyJson = { body: string; bodyEncoding: 'utf8' | 'base64' }

function bodyJson(body: Uint8Array): BodyJson {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  return isUtf8(bytes)
    ? { body: bytes.toString('utf8'), bodyEncoding: 'utf8' }
    : { body: bytes.toString('base64'), bodyEncoding: 'base64' }
}

/** An entry as JSON, bodies included: what `export` writes, `import` reads, and `--json` prints. */
export function entryToJson(entry: DeadLetter): object {
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

// whole, not by name: what an older Node has not would end the import without a word of what is missing
import zlib from 'node:zlib'

/** Whether `decodedBody` takes it off. */
export function isKnownEncoding(encoding: string): boolean {
  return /^\s*(?:x-)?(?:gzip|deflate|br|zstd)\s*$/i.test(encoding)
}

/**
 * A body without its content encoding (RFC 9110, 8.4.1): gzip, deflate, br or zstd. `undefined` for another or more than
 * one encoding, for what is damaged, and for what would have more than `maxBytes`.
 *
 * @param cut it is not the whole body: it is decoded as far as it goes
 */
export function decodedBody(
  body: Buffer,
  encoding: string,
  maxBytes: number,
  cut: boolean,
): Buffer | undefined {
  const bounded = { maxOutputLength: maxBytes }
  const upTo = (finishFlush: number): object => (cut ? { ...bounded, finishFlush } : bounded)
  const flush = upTo(zlib.constants.Z_SYNC_FLUSH)
  try {
    switch (encoding.trim().toLowerCase()) {
      case 'gzip':
      case 'x-gzip':
        return zlib.gunzipSync(body, flush)
      case 'deflate':
        // some servers leave the zlib wrapper out
        return (body[0]! & 0x0f) === 8 ? zlib.inflateSync(body, flush) : zlib.inflateRawSync(body, flush)
      case 'br':
        return zlib.brotliDecompressSync(body, upTo(zlib.constants.BROTLI_OPERATION_FLUSH))
      case 'zstd':
        return zlib.zstdDecompressSync(body, upTo(zlib.constants.ZSTD_e_flush))
    }
  } catch {
    // damaged, or too large: it is not shown
  }
  return undefined
}

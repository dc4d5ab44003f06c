// whole, not by name: what an older Node has not would end the import without a word of what is missing
import zlib from 'node:zlib'

/** More than this is not made of a few held bytes: a bomb stays small. */
const maxOutputLength = 262_144

/**
 * The text of the first bytes of a body, also when they are compressed and cut off in the middle. fetch asks for
 * compression, so error bodies often are. `undefined` when they cannot be read.
 */
export function decodeBodyStart(bytes: Buffer, contentEncoding: string | undefined): string | undefined {
  try {
    switch (contentEncoding?.trim().toLowerCase() ?? 'identity') {
      case '':
      case 'identity':
        return bytes.toString()
      case 'gzip':
      case 'x-gzip':
        return zlib
          .gunzipSync(bytes, { finishFlush: zlib.constants.Z_SYNC_FLUSH, maxOutputLength })
          .toString()
      case 'deflate':
        return zlib
          .inflateSync(bytes, { finishFlush: zlib.constants.Z_SYNC_FLUSH, maxOutputLength })
          .toString()
      case 'br':
        return zlib
          .brotliDecompressSync(bytes, {
            finishFlush: zlib.constants.BROTLI_OPERATION_FLUSH,
            maxOutputLength,
          })
          .toString()
      case 'zstd':
        return zlib.zstdDecompressSync(bytes, { maxOutputLength }).toString()
      default:
        return undefined
    }
  } catch {
    // not what its header says, or too much: the hook is told that there is no readable body
    return undefined
  }
}

import { brotliDecompressSync, constants, gunzipSync, inflateSync, zstdDecompressSync } from 'node:zlib'

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
        return gunzipSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength }).toString()
      case 'deflate':
        return inflateSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength }).toString()
      case 'br':
        return brotliDecompressSync(bytes, {
          finishFlush: constants.BROTLI_OPERATION_FLUSH,
          maxOutputLength,
        }).toString()
      case 'zstd':
        return zstdDecompressSync(bytes, { maxOutputLength }).toString()
      default:
        return undefined
    }
  } catch {
    // not what its header says, or too much: the hook is told that there is no readable body
    return undefined
  }
}

import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { decodeBodyStart } from '../../../src/classification/decode.ts'

const text = JSON.stringify({ name: 'Invalid_Key', filler: 'abc'.repeat(2_000) })
const codings: [string, (data: string) => Buffer][] = [
  ['gzip', gzipSync],
  ['deflate', deflateSync],
  ['br', brotliCompressSync],
]

describe('decodeBodyStart', () => {
  it('reads what is not compressed', () => {
    expect(decodeBodyStart(Buffer.from(text), undefined)).toBe(text)
    expect(decodeBodyStart(Buffer.from(text), ' Identity')).toBe(text)
  })

  it.each(codings)('reads %s, whole and cut off in the middle', (coding, compress) => {
    const compressed = compress(text)
    expect(decodeBodyStart(compressed, coding)).toBe(text)
    const cut = decodeBodyStart(compressed.subarray(0, compressed.length - 6), coding)
    expect(cut === undefined || text.startsWith(cut)).toBe(true)
  })

  it('reads zstd', () => {
    expect(decodeBodyStart(zstdCompressSync(text), 'zstd')).toBe(text)
  })

  it('says that there is nothing to read where the coding is unknown, wrong, or a bomb', () => {
    expect(decodeBodyStart(Buffer.from(text), 'compress')).toBeUndefined()
    expect(decodeBodyStart(Buffer.from(text), 'gzip')).toBeUndefined()
    expect(decodeBodyStart(gzipSync(Buffer.alloc(10_000_000)), 'gzip')).toBeUndefined()
  })
})

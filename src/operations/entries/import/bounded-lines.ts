/** A line of input, or that one was too long to be kept. Numbers begin at 1. */
export type InputLine = { readonly number: number } & ({ readonly text: string } | { readonly tooLong: true })

const NEWLINE = 0x0a

/**
 * The lines of a byte stream, each of at most `maxBytes`. Of a longer one nothing is kept: it is skipped to its end, so
 * that input of any size needs no more memory than one line.
 */
export async function* boundedLines(
  source: AsyncIterable<Uint8Array>,
  maxBytes: number,
): AsyncGenerator<InputLine> {
  let parts: Buffer[] = []
  let size = 0
  let number = 0
  const finish = (): InputLine | undefined => {
    number++
    const line: InputLine =
      size > maxBytes
        ? { number, tooLong: true }
        : { number, text: Buffer.concat(parts, size).toString('utf8').trim() }
    parts = []
    size = 0
    return 'text' in line && line.text === '' ? undefined : line
  }
  const take = (part: Buffer): void => {
    size += part.byteLength
    if (size > maxBytes) parts = []
    // a source may use its buffer again
    else parts.push(Buffer.from(part))
  }
  for await (const chunk of source) {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    let start = 0
    for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, start)) {
      take(bytes.subarray(start, end))
      start = end + 1
      const line = finish()
      if (line !== undefined) yield line
    }
    if (start < bytes.byteLength) take(bytes.subarray(start))
  }
  const last = size === 0 ? undefined : finish()
  if (last !== undefined) yield last
}

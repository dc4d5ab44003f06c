import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { boundedLines, type InputLine } from '../../../../../src/operations/entries/import/bounded-lines.ts'

async function linesOf(chunks: Iterable<Uint8Array>, max = 100): Promise<InputLine[]> {
  const source = (async function* () {
    for (const chunk of chunks) yield await Promise.resolve(chunk)
  })()
  const lines: InputLine[] = []
  for await (const line of boundedLines(source, max)) lines.push(line)
  return lines
}

describe('boundedLines', () => {
  it('gives the same lines however the input is cut', async () => {
    const text = 'first\n\n{"a":"é北"}\r\nlast'
    const expected = [
      { number: 1, text: 'first' },
      { number: 3, text: '{"a":"é北"}' },
      { number: 4, text: 'last' },
    ]
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1 }), async (sizes) => {
        const bytes = Buffer.from(text)
        const chunks: Buffer[] = []
        for (let at = 0, turn = 0; at < bytes.length; turn++) {
          const size = sizes[turn % sizes.length] ?? 1
          chunks.push(bytes.subarray(at, at + size))
          at += size
        }
        expect(await linesOf(chunks)).toEqual(expected)
      }),
    )
  })

  it('skips a line that is too long and goes on with the next', async () => {
    expect(await linesOf([Buffer.from(`${'x'.repeat(101)}\nok\n${'y'.repeat(100)}\n`)])).toEqual([
      { number: 1, tooLong: true },
      { number: 2, text: 'ok' },
      { number: 3, text: 'y'.repeat(100) },
    ])
  })

  it('keeps nothing of a long line in memory', async () => {
    const chunk = Buffer.alloc(1024 * 1024, 'x')
    const before = process.memoryUsage().arrayBuffers
    let most = 0
    function* source(): Generator<Buffer> {
      for (let n = 0; n < 200; n++) {
        most = Math.max(most, process.memoryUsage().arrayBuffers - before)
        yield chunk
      }
    }
    expect(await linesOf(source())).toEqual([{ number: 1, tooLong: true }])
    expect(most).toBeLessThan(50 * 1024 * 1024)
  })

  it('takes a buffer that its source uses again', async () => {
    const buffer = Buffer.alloc(3)
    function* source(): Generator<Buffer> {
      yield (buffer.write('abc'), buffer)
      yield (buffer.write('de\n'), buffer)
    }
    expect(await linesOf(source())).toEqual([{ number: 1, text: 'abcde' }])
  })
})

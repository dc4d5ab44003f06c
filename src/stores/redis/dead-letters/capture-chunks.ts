import type { DeadLetterRecord } from '../../../dead-letter/record/record.ts'
import type { AddOptions } from '../../../dead-letter/store/sink.ts'
import { captureArguments, type CapturedArguments } from './capture-arguments.ts'

/**
 * Bounds of one script run, which the server is busy with: a script unpacks at most 8,000 values, too. A command over
 * 128 KiB costs three times as much to send: V8 gives its string pages of their own, new ones each time.
 */
const MAX_CHUNK = 128
const MAX_CHUNK_BYTES = 72 * 1024
/**
 * What may be under way at the same time: enough that a batch takes a few round trips over a slow link, not one for each
 * script, or it would be late, be tried again whole, and be late again.
 */
const AHEAD_BYTES = 2 * 1024 * 1024
const AHEAD_SCRIPTS = 32

/** What one run of the capture script takes. */
type CaptureChunk = readonly CapturedArguments[]

/** What one script run takes of the records, column after column for each. */
export function captureColumns(chunk: CaptureChunk): (string | Buffer)[] {
  const isCommon = chunk.every((one) => one.isCommon)
  const args: (string | Buffer)[] = [isCommon ? 'common' : 'full']
  for (const { common, special } of chunk) {
    args.push(...common)
    if (!isCommon) args.push(...special)
  }
  return args
}

/** The records, as many at a time as one script run takes. */
export function* captureChunks(
  records: readonly DeadLetterRecord[],
  options: AddOptions,
  maxRecords: number,
): Generator<CaptureChunk> {
  const most = Math.min(MAX_CHUNK, maxRecords)
  let chunk: CapturedArguments[] = []
  let bytes = 0
  for (const record of records) {
    const one = captureArguments(record, options)
    if (chunk.length === most || (chunk.length > 0 && bytes + one.bytes > MAX_CHUNK_BYTES)) {
      yield chunk
      chunk = []
      bytes = 0
    }
    chunk.push(one)
    bytes += one.bytes
  }
  if (chunk.length > 0) yield chunk
}

function weightOf(chunk: CaptureChunk): number {
  return chunk.reduce((sum, { bytes }) => sum + bytes, 0)
}

/** Runs `work` on the chunks in their order, some ahead of the replies. What fails ends it; the rest is waited for. */
export async function* runInOrder<R>(
  chunks: Iterable<CaptureChunk>,
  work: (chunk: CaptureChunk) => Promise<R>,
): AsyncGenerator<R> {
  const running: { reply: Promise<R>; weight: number }[] = []
  let weight = 0
  const first = (): Promise<R> => {
    const { reply, weight: own } = running.shift()!
    weight -= own
    return reply
  }
  try {
    for (const chunk of chunks) {
      const own = weightOf(chunk)
      while (running.length > 0 && (running.length >= AHEAD_SCRIPTS || weight + own > AHEAD_BYTES)) {
        yield await first()
      }
      const reply = work(chunk)
      // it is heard of in its turn, and may fail before
      reply.catch(() => undefined)
      running.push({ reply, weight: own })
      weight += own
    }
    while (running.length > 0) yield await first()
  } finally {
    await Promise.allSettled(running.map(({ reply }) => reply))
  }
}

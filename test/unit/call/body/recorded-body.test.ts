import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type BodyChunk, RecordedBody } from '../../../../src/call/body/recorded-body.ts'

function body(
  chunks: BodyChunk[],
  options: { limit?: number; declared?: number; onError?: (e: unknown) => void } = {},
) {
  async function* source(): AsyncGenerator<BodyChunk> {
    for (const chunk of chunks) {
      await Promise.resolve()
      yield chunk
    }
  }
  const recorded = new RecordedBody(source(), options.declared, options.onError ?? (() => undefined))
  recorded.limit = options.limit ?? 1_000_000
  return recorded
}

async function readAll(recorded: RecordedBody, most = Infinity): Promise<Buffer> {
  const chunks: Buffer[] = []
  let taken = 0
  for await (const chunk of recorded) {
    chunks.push(Buffer.from(chunk as Uint8Array))
    if (++taken >= most) break
  }
  return Buffer.concat(chunks)
}

describe('RecordedBody', () => {
  it('gives every attempt the same bytes, wherever the earlier ones stopped', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ minLength: 0, maxLength: 50 }), { maxLength: 20 }),
        fc.array(fc.integer({ min: 1, max: 25 }), { maxLength: 5 }),
        async (chunks, stops) => {
          const whole = Buffer.concat(chunks)
          const recorded = body(chunks)
          for (const stop of stops) {
            const seen = await readAll(recorded, stop)
            expect(whole.subarray(0, seen.length).equals(seen)).toBe(true)
          }
          expect(recorded.rereadable).toBe(true)
          expect((await readAll(recorded)).equals(whole)).toBe(true)
          expect(recorded.complete).toBe(true)
          expect(recorded.recorded().equals(whole)).toBe(true)
        },
      ),
    )
  })

  it('never lets a second attempt read a body that outgrew the limit, and streams it whole to the first', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 50 }), { minLength: 1, maxLength: 20 }),
        fc.integer({ min: 0, max: 600 }),
        async (chunks, limit) => {
          const whole = Buffer.concat(chunks)
          const recorded = body(chunks, { limit })
          expect((await readAll(recorded)).equals(whole)).toBe(true)
          expect(recorded.rereadable).toBe(whole.length <= limit)
          if (whole.length > limit) await expect(readAll(recorded)).rejects.toThrow('cannot be sent again')
        },
      ),
    )
  })

  it('keeps no more than the limit and one chunk of a body that outgrew it', async () => {
    const recorded = body(
      Array.from({ length: 100 }, () => Buffer.alloc(10)),
      { limit: 55 },
    )
    let most = 0
    for await (const _chunk of recorded) most = Math.max(most, recorded.recorded().length)
    expect(most).toBeLessThanOrEqual(65)
    expect(recorded.recorded().length).toBe(0)
  })

  it('drains what comes while the process stands still: its time is not that of the source', async () => {
    const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
    async function* source(): AsyncGenerator<BodyChunk> {
      for (const chunk of ['a', 'b', 'c']) {
        await turn()
        yield chunk
      }
    }
    const recorded = new RecordedBody(source(), undefined, () => undefined)
    recorded.limit = 1_000
    const drained = recorded.drain(50)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100)
    await drained
    expect([recorded.complete, String(recorded.recorded())]).toEqual([true, 'abc'])
  })

  it('records nothing of a body that is declared larger than the limit, yet can send it while none was pulled', async () => {
    const recorded = body([Buffer.alloc(10), Buffer.alloc(10)], { limit: 15, declared: 20 })
    expect(recorded.rereadable).toBe(true)
    const first = recorded[Symbol.asyncIterator]()
    await first.next()
    expect(recorded.recorded().length).toBe(0)
    expect(recorded.rereadable).toBe(false)
    expect((await first.next()).value).toHaveLength(10)
  })

  it('asks the source for one chunk at a time, also when an attempt left while it waited', async () => {
    let asked = 0
    let give: (chunk: IteratorResult<BodyChunk>) => void = () => undefined
    const source: AsyncIterableIterator<BodyChunk> = {
      [Symbol.asyncIterator]: () => source,
      next: () => {
        asked++
        return new Promise((resolve) => (give = resolve))
      },
    }
    const recorded = new RecordedBody(source, undefined, () => undefined)
    recorded.limit = 100
    const first = recorded[Symbol.asyncIterator]()
    const left = first.next()
    await first.return?.()
    const second = recorded[Symbol.asyncIterator]()
    const taken = second.next()
    expect(asked).toBe(1)
    give({ done: false, value: 'chunk' })
    expect(await left).toEqual({ done: true, value: undefined })
    expect(await taken).toEqual({ done: false, value: 'chunk' })
  })

  it('takes the body away from an attempt that still sends it when the next one begins', async () => {
    const recorded = body(['a', 'b', 'c'])
    const first = recorded[Symbol.asyncIterator]()
    await first.next()
    expect(recorded.sending).toBe(true)
    expect((await readAll(recorded)).toString()).toBe('abc')
    // not an end: the first attempt must not look complete to the server
    await expect(first.next()).rejects.toThrow('another attempt is sending this body')
  })

  it('frees the recording when it is forgotten, and streams the rest to the attempt in hand', async () => {
    const recorded = body(['a', 'b', 'c', 'd'])
    const reader = recorded[Symbol.asyncIterator]()
    await reader.next()
    await reader.next()
    recorded.forget()
    expect(recorded.recorded()).toHaveLength(0)
    const rest: unknown[] = []
    for (let next = await reader.next(); next.done !== true; next = await reader.next()) rest.push(next.value)
    expect(rest).toEqual(['c', 'd'])
    expect(recorded.rereadable).toBe(false)
  })

  it('does not call a body complete that ended before its declared length', async () => {
    const recorded = body([Buffer.alloc(5)], { declared: 10 })
    await readAll(recorded)
    expect(recorded.ended).toBe(true)
    expect(recorded.complete).toBe(false)
    expect(recorded.rereadable).toBe(false)
  })

  it('passes an error of the source on to the attempt, and says whose it was', async () => {
    const failure = new Error('disk')
    let blamed: unknown

    async function* source(): AsyncGenerator<BodyChunk> {
      await Promise.resolve()
      throw failure
    }
    const recorded = new RecordedBody(source(), undefined, (error) => (blamed = error))
    await expect(readAll(recorded)).rejects.toBe(failure)
    expect(blamed).toBe(failure)
    expect(recorded.rereadable).toBe(false)
  })

  it('ends the source when the call ends, not when an attempt does', async () => {
    let returned = 0
    async function* source(): AsyncGenerator<BodyChunk> {
      try {
        yield 'a'
        await Promise.resolve()
        yield 'b'
      } finally {
        returned++
      }
    }
    const recorded = new RecordedBody(source(), undefined, () => undefined)
    recorded.limit = 100
    await readAll(recorded, 1)
    expect(returned).toBe(0)
    recorded.close()
    await Promise.resolve()
    expect(returned).toBe(1)
  })

  it('drains what was never sent, up to the limit and no longer than its time', async () => {
    const recorded = body(['abc', 'def'])
    await recorded.drain(1_000)
    expect(recorded.complete).toBe(true)
    expect(recorded.recorded().toString()).toBe('abcdef')

    const endless = new RecordedBody(
      { [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => undefined) }) },
      undefined,
      () => undefined,
    )
    endless.limit = 100
    await endless.drain(10)
    expect(endless.complete).toBe(false)
  })
})

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { deadLetterId, replacementId } from '../../../../src/dead-letter/id.ts'
import {
  DeadLetterFormatError,
  recordFromJson,
  recordToJson,
} from '../../../../src/dead-letter/record/json.ts'
import { makeRecord } from '../../../../src/testing/contracts/records.ts'

describe('ids', () => {
  it('are UUIDs of version 7 that sort in the order in which they were made', () => {
    const ids = Array.from({ length: 20_000 }, () => deadLetterId())
    expect(ids[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect([...ids].sort()).toEqual(ids)
    expect(new Set(ids).size).toBe(ids.length)
  })

  it('go on rising when the clock goes back', () => {
    const before = deadLetterId(Date.now() + 10_000)
    expect(deadLetterId(Date.now() - 10_000) > before).toBe(true)
  })

  it('give their place to a copy under another id', () => {
    const ids = Array.from({ length: 300 }, () => deadLetterId())
    const copies = ids.map((id) => replacementId({ id, timestamp: 0 }))
    expect(new Set([...ids, ...copies]).size).toBe(600)
    expect([...copies].sort()).toEqual(copies)
    for (const [at, copy] of copies.entries()) {
      expect(copy).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
      if (at > 0) expect(copy > ids[at - 1]!).toBe(true)
      if (at < 299) expect(copy < ids[at + 1]!).toBe(true)
    }
  })

  it('go by the time of capture where the copied one is no UUIDv7, whatever was made before', () => {
    deadLetterId(Date.now() + 60_000)
    const of = (timestamp: number): string => replacementId({ id: 'order-1', timestamp })
    expect(of(1000) < of(2000)).toBe(true)
    expect(Number.parseInt(of(0x019a00000000).replace('-', '').slice(0, 12), 16)).toBe(0x019a00000000)
  })

  it('begin with their time', () => {
    const at = Date.now() + 1_000_000
    const id = deadLetterId(at)
    expect(Number.parseInt(id.replace('-', '').slice(0, 12), 16)).toBe(at)
  })
})

describe('stored records', () => {
  it('come back as they were', () => {
    const record = makeRecord({
      labels: { a: 'b' },
      error: { name: 'A', message: 'a', errors: [{ name: 'B', message: 'b' }] },
    })
    const back = recordFromJson(recordToJson(record), record.request.body)
    expect(JSON.parse(JSON.stringify(back))).toEqual(JSON.parse(JSON.stringify(record)))
  })

  it('keep neither body nor sealed data in their JSON', () => {
    const json = recordToJson(makeRecord({ sealed: { keyId: 'k', data: Buffer.from('sealed bytes') } }))
    expect(json).not.toContain('Ada')
    expect(JSON.parse(json)).toMatchObject({ sealed: { keyId: 'k' } })
    expect(json).not.toContain('data')
  })

  const good = JSON.parse(recordToJson(makeRecord())) as Record<string, unknown>

  it.each([
    ['not JSON', '{'],
    ['no object', '[]'],
    ['null', 'null'],
    ['another version', { ...good, version: 2 }],
    ['no id', { ...good, id: undefined }],
    ['an id with a line break', { ...good, id: 'a\nb' }],
    ['an id with an escape', { ...good, id: '\u001b[31m' }],
    ['a reason that is none', { ...good, reason: 'why not' }],
    ['a delivery that is none', { ...good, delivery: 'maybe' }],
    ['a time that is none', { ...good, timestamp: '1' }],
    ['a negative count', { ...good, retryCount: -1 }],
    ['a request that is none', { ...good, request: 'GET' }],
    ['headers that are none', { ...good, request: { ...(good['request'] as object), headers: [1] } }],
    ['a header with an object', { ...good, request: { ...(good['request'] as object), headers: { a: {} } } }],
    ['labels that are no text', { ...good, labels: { a: 1 } }],
    ['replayable as text', { ...good, replayable: 'true' }],
    ['too many attempts', { ...good, attempts: Array.from({ length: 1001 }, () => ({ at: 1, ms: 1 })) }],
    ['an error nested too deep', { ...good, error: nested(10) }],
    ['too long a name', { ...good, integration: 'x'.repeat(300) }],
    ['too long a record', { ...good, extra: 'x'.repeat(1024 * 1024) }],
    ['deep nesting', `{"version":1,"id":${'['.repeat(100_000)}${']'.repeat(100_000)}}`],
  ])('are refused with a clear error: %s', (_what, value) => {
    const json = typeof value === 'string' ? value : JSON.stringify(value)
    expect(() => recordFromJson(json)).toThrow(DeadLetterFormatError)
  })

  it('are refused when their bodies are too long', () => {
    expect(() => recordFromJson(JSON.stringify(good), new Uint8Array(65 * 1024 * 1024))).toThrow(
      'more than 67108864',
    )
  })

  it('change no prototype and carry no unknown key on', () => {
    const json = JSON.stringify(good).replace(
      '"version":1',
      '"version":1,"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"unknown":1',
    )
    const withLabels = json.replace(
      '"replayable"',
      '"labels":{"__proto__":"x","constructor":"y"},"replayable"',
    )
    const record = recordFromJson(withLabels)
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
    expect(Object.getPrototypeOf(record)).toBe(Object.prototype)
    expect(Object.keys(record)).not.toContain('unknown')
    expect(Object.keys(record.labels!)).toEqual(['__proto__', 'constructor'])
    expect(Object.getPrototypeOf(record.labels!)).toBeNull()
  })

  it('are read or refused, whatever they are', () => {
    const anything = fc.oneof(
      fc.json(),
      fc
        .tuple(fc.constantFrom(...Object.keys(good)), fc.jsonValue())
        .map(([key, value]) => JSON.stringify({ ...good, [key]: value })),
    )
    fc.assert(
      fc.property(anything, (json) => {
        try {
          recordFromJson(json)
        } catch (error) {
          expect(error).toBeInstanceOf(DeadLetterFormatError)
        }
      }),
      { numRuns: 500 },
    )
  })
})

function nested(depth: number): object {
  return { name: 'E', message: 'm', ...(depth === 0 ? {} : { cause: nested(depth - 1) }) }
}

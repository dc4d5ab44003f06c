import { describe, expect, it } from 'vitest'
import { safeJson } from '../../../../../src/cli/terminal/terminal-safe.ts'
import { entryToJson } from '../../../../../src/dead-letter/message/entry-json.ts'
import { DeadLetterFormatError } from '../../../../../src/dead-letter/record/json.ts'
import type { DeadLetterRecord } from '../../../../../src/dead-letter/record/record.ts'
import { initialState } from '../../../../../src/dead-letter/store/lifecycle.ts'
import { importedRecord } from '../../../../../src/operations/entries/import/imported-record.ts'
import { makeRecord, type RecordChanges } from '../../../../../src/testing/contracts/records.ts'

function line(record: DeadLetterRecord): string {
  return safeJson(entryToJson({ ...record, ...initialState(record) }))
}

function refusal(text: string): string {
  try {
    importedRecord(text)
  } catch (error) {
    expect(error).toBeInstanceOf(DeadLetterFormatError)
    return (error as Error).message
  }
  throw new Error('it was taken')
}

const withRequest = (request: RecordChanges['request']): string =>
  line(makeRecord({ request: { ...request } }))

describe('importedRecord', () => {
  it('brings back what export wrote, bodies of any kind byte for byte', () => {
    const every = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
    for (const body of [Buffer.from('{"name":"Ada"}'), every, Buffer.from('\u202e\u009b\r\n'), undefined]) {
      const record = makeRecord({ request: { body } })
      const back = importedRecord(line(record))
      expect(back.id).toBe(record.id)
      expect(back.request.sha256).toBe(record.request.sha256)
      expect(Buffer.from(back.request.body ?? []).equals(Buffer.from(body ?? []))).toBe(true)
    }
  })

  it('brings back what is sealed', () => {
    const record = makeRecord({ sealed: { keyId: 'k1', data: Buffer.from([0, 255, 7]) } })
    const back = importedRecord(line(record))
    expect(back.sealed?.keyId).toBe('k1')
    expect([...(back.sealed?.data ?? [])]).toEqual([0, 255, 7])
  })

  it('refuses headers that would split a request, and does not say their values', () => {
    const message = refusal(withRequest({ headers: { 'x-a': 'secret\r\nhost: evil' } }))
    expect(message).toContain('"x-a" holds a control character')
    expect(message).not.toContain('secret')
    expect(refusal(withRequest({ headers: { 'x\r\ny': '1' } }))).toMatch(/malformed/)
    expect(refusal(line(makeRecord({ idempotencyKey: 'a\nb' })))).toMatch(/control character/)
  })

  it('refuses urls that no replay may send to', () => {
    for (const url of [
      'ftp://a/b',
      'javascript:alert(1)',
      'https://me:pw@a/b',
      'not a url',
      'https://a/\r\nx',
    ]) {
      expect(refusal(withRequest({ url })), url).toMatch(/its url/)
    }
  })

  it('leaves out credentials and transport headers', () => {
    const headers = { Authorization: 'Bearer x', host: 'evil', 'content-length': '3', accept: 'a' }
    const { request } = importedRecord(withRequest({ headers }))
    expect({ ...request.headers }).toEqual({ accept: 'a' })
    expect(request.omittedHeaders).toEqual(['authorization'])
  })

  it('refuses a body that is not the one that was captured', () => {
    const record = makeRecord()
    expect(
      refusal(line({ ...record, request: { ...record.request, body: Buffer.from('{"name":"Eve"}') } })),
    ).toMatch(/`sha256`/)
    expect(refusal(line({ ...record, request: { ...record.request, bytes: 3 } }))).toMatch(/`bytes`/)
  })

  it('changes no prototype', () => {
    const text = line(makeRecord()).replace(
      /^\{/,
      '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},',
    )
    const labels = text.replace('"delivery"', '"labels":{"__proto__":"x"},"delivery"')
    const record = importedRecord(labels)
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
    expect((record as unknown as Record<string, unknown>)['polluted']).toBeUndefined()
    expect(Object.keys(record.labels ?? {})).toEqual(['__proto__'])
  })

  it('refuses what is nested deeply, before it is parsed', () => {
    expect(refusal('['.repeat(1_000_000))).toBe('nested deeper than 32')
    expect(refusal(`{"a":${'{"b":'.repeat(40)}1${'}'.repeat(41)}`)).toBe('nested deeper than 32')
  })

  it('does not count brackets in strings', () => {
    const body = Buffer.from(`${'[{'.repeat(100)}\\"`)
    expect(importedRecord(withRequest({ body })).request.bytes).toBe(body.length)
  })

  it('says what is wrong with anything else', () => {
    expect(refusal('nonsense')).toMatch(/^not JSON/)
    expect(refusal('[]')).toMatch(/`record`/)
    expect(refusal('null')).toMatch(/`record`/)
    expect(refusal('{"version":2}')).toMatch(/`version` must be 1/)
    expect(refusal(line(makeRecord()).replace('"utf8"', '"rot13"'))).toMatch(/bodyEncoding/)
    expect(refusal(line(makeRecord()).replace(/"id":"[^"]+"/, '"id":"../../x"'))).toMatch(/`id`/)
  })
})

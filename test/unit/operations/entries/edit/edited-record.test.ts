import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { DeadLetter, DeadLetterRecord } from '../../../../../src/dead-letter/record/record.ts'
import { initialState } from '../../../../../src/dead-letter/store/lifecycle.ts'
import { editedRecord, type RecordEdit } from '../../../../../src/operations/entries/edit/edited-record.ts'
import { makeRecord, type RecordChanges } from '../../../../../src/testing/contracts/records.ts'

function entryOf(changes: RecordChanges = {}): DeadLetter {
  const record = makeRecord(changes)
  return { ...record, ...initialState(record) }
}

const identity = { id: 'new-id', idempotencyKey: 'new-key' }

function edit(changes: RecordChanges, change: RecordEdit): DeadLetterRecord {
  return editedRecord(entryOf(changes), change, identity)
}

describe('editedRecord', () => {
  it('is another request: a new id, a new idempotency key, and where it came from', () => {
    const before = entryOf({
      idempotencyKey: 'old',
      idempotencyHeader: 'idempotency-key',
      request: { headers: { 'idempotency-key': 'old' } },
    })
    const record = editedRecord(before, { url: '/v2' }, identity)
    expect(record).toMatchObject({ id: 'new-id', idempotencyKey: 'new-key', editedFrom: before.id })
    expect({ ...record.request.headers }).toEqual({})
    expect(record.request.url).toBe('https://api.example.com/v2')
  })

  it('invents no key for a call that had none: the provider may know none', () => {
    expect(edit({}, { url: '/v2' }).idempotencyKey).toBeUndefined()
  })

  it('does not take over that it may be sent twice, but that it may not', () => {
    expect(edit({ repeatable: true }, { url: '/v2' }).repeatable).toBeUndefined()
    expect(edit({ repeatable: false }, { url: '/v2' }).repeatable).toBe(false)
  })

  it('does not take over that it may be sent twice, but that it may not', () => {
    expect(edit({ repeatable: true }, { url: '/v2' }).repeatable).toBeUndefined()
    expect(edit({ repeatable: false }, { url: '/v2' }).repeatable).toBe(false)
  })

  it('does not take a path for another host', () => {
    expect(edit({}, { url: '//evil.example/x' }).request.url).toBe('https://api.example.com//evil.example/x')
    expect(() => edit({}, { url: 'evil.example/x' })).toThrow(/begins with "\/"/)
  })

  it('keeps no secret of a new url', () => {
    const { request } = edit({}, { url: '/v2?api_key=hunter2&page=2' })
    expect(request.url).toBe('https://api.example.com/v2?api_key=[redacted]&page=2')
    expect(request.redactedQuery).toEqual(['api_key'])
  })

  it('refuses urls that could not be replayed', () => {
    expect(() => edit({}, { url: 'https://me:pw@a/' })).toThrow(/user name/)
    expect(() => edit({}, { url: '/a\r\nb' })).toThrow(/malformed/)
  })

  it('changes headers by name, whatever their case', () => {
    const headers = { accept: 'a', 'x-old': '1' }
    const { request } = edit(
      { request: { headers } },
      { setHeaders: [['X-New', '2']], removeHeaders: ['X-Old'] },
    )
    expect({ ...request.headers }).toEqual({ accept: 'a', 'x-new': '2' })
  })

  it('refuses headers that split a request, hold credentials, or are made by the client', () => {
    expect(() => edit({}, { setHeaders: [['x-a', '1\r\nx-b: 2']] })).toThrow(/control character/)
    expect(() => edit({}, { setHeaders: [['Authorization', 'Bearer x']] })).toThrow(/credential/)
    expect(() => edit({}, { setHeaders: [['Content-Length', '3']] })).toThrow(/made anew/)
  })

  it('stores what looks like a secret only where a person says so', () => {
    const body = Buffer.from('{"discount_token":"SUMMER"}')
    expect(() => edit({}, { body })).toThrow(/in the open: .*`--no-redact`/)
    expect(edit({}, { body, redact: false })).toMatchObject({ replayable: true, request: { body } })
    const url = `/services/T0123ABCD/B0123ABCD/${'aB3'.repeat(8)}`
    expect(() => edit({}, { url })).toThrow(/in the open: .*`--no-redact`/)
    const changes: RecordChanges = { replayable: false, notReplayableReason: 'path-redacted' }
    expect(edit(changes, { url, redact: false })).toMatchObject({
      replayable: true,
      request: { url: `https://api.example.com${url}` },
    })
  })

  it('makes an entry replayable by giving it the body that was not kept', () => {
    const body = Buffer.from('{"name":"Grace"}')
    const record = edit(
      {
        replayable: false,
        notReplayableReason: 'body-too-large',
        request: { body: undefined, bytes: 9_000_000 },
      },
      { body },
    )
    expect(record.replayable).toBe(true)
    expect(record.notReplayableReason).toBeUndefined()
    expect(record.request).toMatchObject({
      bytes: body.length,
      sha256: createHash('sha256').update(body).digest('hex'),
    })
    expect(initialState(record).status).toBe('pending')
  })

  it('takes the body away', () => {
    const { request } = edit({}, { body: null })
    expect(request.bytes).toBe(0)
    expect(request.body).toBeUndefined()
    expect(request.sha256).toBeUndefined()
  })

  it('stores no secret field of a new body, and no placeholder', () => {
    expect(() => edit({}, { body: Buffer.from('{"password":"hunter2"}') })).toThrow(/looks like a credential/)
    expect(() => edit({}, { body: Buffer.from('{"password":"[redacted]"}') })).toThrow(
      /still holds \[redacted\]/,
    )
  })

  it('asks for the body of a sealed entry, and drops the seal, which is bound to the old id', () => {
    const sealed = {
      sealed: { keyId: 'k', data: Buffer.alloc(40) },
      request: { body: undefined, bytes: 14 },
    }
    expect(() => edit(sealed, { url: '/v2' })).toThrow(/sealed/)
    expect(edit(sealed, { body: Buffer.from('{}') }).sealed).toBeUndefined()
  })
})

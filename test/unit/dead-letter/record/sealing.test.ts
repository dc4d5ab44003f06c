import { createCipheriv, randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { recordFromJson, recordToJson } from '../../../../src/dead-letter/record/json.ts'
import type { DeadLetterRecord } from '../../../../src/dead-letter/record/record.ts'
import { Seal, type SealedRequest } from '../../../../src/dead-letter/record/sealing.ts'
import { makeRecord } from '../../../../src/testing/contracts/records.ts'

const k1 = randomBytes(32)
const k2 = randomBytes(32)
const content: SealedRequest = {
  url: 'https://api.example.com/?token=abc',
  headers: { 'x-tenant': 'acme', 'x-many': ['a', 'b'] },
  body: Buffer.from([0, 1, 2, 255]),
}

describe('sealing', () => {
  it('gives back what was sealed, and hides it', () => {
    const seal = new Seal({ current: 'k1', keys: { k1 } })
    const record = makeRecord()
    const sealed = seal.close(record, content)
    expect(Buffer.from(sealed.data).includes('acme')).toBe(false)
    const opened = seal.open({ ...record, sealed })
    expect({ ...opened, headers: { ...opened.headers } }).toEqual(content)
  })

  it('seals the same content differently each time', () => {
    const seal = new Seal({ current: 'k1', keys: { k1 } })
    const record = makeRecord()
    expect(seal.close(record, content).data).not.toEqual(seal.close(record, content).data)
  })

  it('opens old entries after the keys were rotated, and seals with the new key', () => {
    const record = makeRecord()
    const old = new Seal({ current: 'k1', keys: { k1 } }).close(record, content)
    const rotated = new Seal({ current: 'k2', keys: { k1, k2 } })
    expect(rotated.open({ ...record, sealed: old }).url).toBe(content.url)
    expect(rotated.close(record, content).keyId).toBe('k2')
    const forgotten = new Seal({ current: 'k2', keys: { k2 } })
    expect(() => forgotten.open({ ...record, sealed: old })).toThrow('the key "k1" is not in `seal.keys`')
  })

  it('opens in no other entry, origin or key id, and not when a bit was changed', () => {
    const seal = new Seal({ current: 'k1', keys: { k1, other: k1 } })
    const record = makeRecord()
    const sealed = seal.close(record, content)
    const moved = { ...record, request: { ...record.request, url: 'https://evil.example/' } }
    const flipped = Uint8Array.from(sealed.data)
    flipped[flipped.length - 1]! ^= 1
    for (const entry of [
      { ...makeRecord(), sealed },
      { ...moved, sealed },
      { ...record, sealed: { ...sealed, keyId: 'other' } },
      { ...record, sealed: { ...sealed, data: flipped } },
      { ...record, sealed: { ...sealed, data: sealed.data.subarray(0, 40) } },
      { ...record, sealed: { ...sealed, data: sealed.data.subarray(0, 5) } },
      { ...record, sealed: { keyId: 'k1' } },
    ]) {
      expect(() => seal.open(entry)).toThrow(
        expect.objectContaining({ code: 'ERR_DEAD_LETTER_SEAL' }) as Error,
      )
    }
  })

  /** What an attacker with the store's password could make of an entry, and a replay go by. */
  const forgeries: [string, (record: DeadLetterRecord) => Partial<DeadLetterRecord>][] = [
    ['another method', ({ request }) => ({ request: { ...request, method: 'DELETE' } })],
    ['another path', ({ request }) => ({ request: { ...request, url: `${request.url}/all` } })],
    [
      'another header',
      ({ request }) => ({ request: { ...request, headers: { 'x-http-method-override': 'x' } } }),
    ],
    [
      'a further header',
      ({ request }) => ({ request: { ...request, headers: { ...request.headers, prefer: 'x' } } }),
    ],
    ['no header missing', ({ request }) => ({ request: { ...request, omittedHeaders: [] } })],
    ['another length', ({ request }) => ({ request: { ...request, bytes: 3 } })],
    ['another digest', ({ request }) => ({ request: { ...request, sha256: 'b'.repeat(64) } })],
    ['another idempotency key', () => ({ idempotencyKey: 'other' })],
    ['no idempotency key', () => ({ idempotencyKey: undefined })],
    ['another header for the key', () => ({ idempotencyHeader: 'x-key-of-mine' })],
    ['another say of whether it may be repeated', () => ({ repeatable: true })],
    ['another delivery', () => ({ delivery: 'not-sent' })],
    ['another integration', () => ({ integration: 'stripe' })],
    ['another label', () => ({ labels: { tenant: 'globex' } })],
  ]
  const bound = makeRecord({
    delivery: 'unknown',
    repeatable: false,
    idempotencyKey: 'k',
    idempotencyHeader: 'idempotency-key',
    labels: { tenant: 'acme', b: '2', 1: 'one' },
    request: {
      omittedHeaders: ['authorization', 'x-a'],
      redactedQuery: ['token'],
      headers: { b: 'x', a: ['y', 'z'] },
    },
  })

  it.each(forgeries)('does not open in an entry that was given %s', (_what, forged) => {
    const seal = new Seal({ current: 'k1', keys: { k1 } })
    const sealed = seal.close(bound, content)
    expect(() => seal.open({ ...bound, ...forged(bound), sealed })).toThrow('was changed')
  })

  it('opens in what a store gives back, in whatever order it has names', () => {
    const seal = new Seal({ current: 'k1', keys: { k1 } })
    const sealed = seal.close(bound, content)
    const read = recordFromJson(recordToJson({ ...bound, sealed }), bound.request.body, sealed.data)
    const turned = {
      ...read.request,
      headers: Object.fromEntries(Object.entries(read.request.headers).reverse()),
    }
    expect(seal.open({ ...read, request: turned }).url).toBe(content.url)
  })

  it('says of what an earlier version sealed that it did not bind the method', () => {
    const record = makeRecord()
    const iv = randomBytes(12)
    const cipher = createCipheriv('aes-256-gcm', k1, iv)
    cipher.setAAD(Buffer.from(JSON.stringify([1, record.id, 'https://api.example.com', 'k1'])))
    const bytes = Buffer.concat([cipher.update(Buffer.alloc(20)), cipher.final()])
    const data = Buffer.concat([iv, cipher.getAuthTag(), bytes])
    const seal = new Seal({ current: 'k1', keys: { k1 } })
    expect(() => seal.open({ ...record, sealed: { keyId: 'k1', data } })).toThrow('by an earlier version')
  })

  it('takes keys as bytes, hex and base64', () => {
    const record = makeRecord()
    const sealed = new Seal({ current: 'k', keys: { k: k1 } }).close(record, content)
    for (const key of [k1.toString('hex'), k1.toString('base64'), new Uint8Array(k1)]) {
      expect(new Seal({ current: 'k', keys: { k: key } }).open({ ...record, sealed }).url).toBe(content.url)
    }
  })

  it('does not say a key in its error', () => {
    expect(() => new Seal({ current: 'k', keys: { k: 'too-short-secret' } })).toThrow(
      expect.not.objectContaining({
        message: expect.stringContaining('too-short-secret') as string,
      }) as Error,
    )
  })
})

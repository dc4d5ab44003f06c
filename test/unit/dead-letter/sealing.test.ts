import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { Seal, type SealedRequest } from '../../../src/dead-letter/sealing.ts'
import { makeRecord } from '../../contracts/dead-letter-records.ts'

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

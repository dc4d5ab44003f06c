import { describe, expect, it } from 'vitest'
import { decodeDeadLetter, encodeDeadLetter } from '../../../../src/dead-letter/message/message.ts'
import { DeadLetterFormatError } from '../../../../src/dead-letter/record/json.ts'
import type { ClaimedDeadLetter, DeadLetter } from '../../../../src/dead-letter/record/record.ts'
import { initialState } from '../../../../src/dead-letter/store/lifecycle.ts'
import { makeRecord } from '../../../../src/testing/contracts/records.ts'

const every = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))

function messageWith(changes: object): string {
  return JSON.stringify({ ...(JSON.parse(encodeDeadLetter(makeRecord())) as object), ...changes })
}

describe('the message of a dead letter', () => {
  it('brings back the record, bodies of any kind byte for byte', () => {
    for (const body of [Buffer.from('{"name":"Ada"}'), every, Buffer.from('\u0000\ud83d\r\n'), undefined]) {
      const record = makeRecord({
        labels: { tenant: 't' },
        orderingKey: 'o',
        notBefore: 7,
        sealed: { keyId: 'k', data: every },
        request: { body },
      })
      const back = decodeDeadLetter(Buffer.from(encodeDeadLetter(record)))
      const { request, sealed, replayCount, replays, status, ...rest } = back
      const { request: sent, sealed: _sealed, ...expected } = record
      expect(rest).toMatchObject(expected)
      expect([replayCount, replays, status]).toEqual([0, [], 'pending'])
      expect(Buffer.from(request.body ?? []).equals(Buffer.from(sent.body ?? []))).toBe(true)
      expect(Buffer.from(sealed!.data!).equals(every)).toBe(true)
    }
  })

  it('is plain JSON in which a person can read the body', () => {
    const json = JSON.parse(encodeDeadLetter(makeRecord())) as Record<string, unknown>
    expect(json).toMatchObject({ version: 1, reason: 'exhausted', request: { body: '{"name":"Ada"}' } })
    for (const field of ['status', 'dueAt', 'replayCount', 'replays']) expect(json).not.toHaveProperty(field)
  })

  it('carries what replays have said, and nothing of the claim in its store', () => {
    const record = makeRecord()
    const entry: ClaimedDeadLetter = {
      ...record,
      ...initialState(record),
      status: 'leased',
      replayCount: 2,
      replays: [{ at: 1, outcome: 'failed', statusCode: 500 }],
      fence: 3,
      leaseUntil: 4,
    }
    const text = encodeDeadLetter(entry)
    expect(text).not.toMatch(/fence|lease|dueAt|status":"/)
    expect(decodeDeadLetter(text)).toMatchObject({
      replayCount: 2,
      replays: entry.replays,
      status: 'pending',
    })
  })

  it('says of an entry in doubt or in quarantine that a person has to decide', () => {
    const record = makeRecord()
    for (const status of ['in-doubt', 'quarantined'] as const) {
      const entry = { ...record, ...initialState(record), status, note: 'why' }
      const claimed: DeadLetter = { ...entry, status: 'leased', leasedFrom: status }
      for (const one of [entry, claimed]) {
        expect(decodeDeadLetter(encodeDeadLetter(one))).toMatchObject({ status, note: 'why' })
      }
    }
  })

  it.each([
    ['nothing', ''],
    ['no JSON', '{'],
    ['a list', '[]'],
    ['another version', messageWith({ version: 2 })],
    ['an id with a path', messageWith({ id: '../x' })],
    ['a count that is none', messageWith({ replayCount: -1 })],
    ['replays that are none', messageWith({ replays: [{ outcome: 'won' }] })],
    ['a status that is none', messageWith({ status: 'ok' })],
    ['a body without an encoding', messageWith({ request: { body: 'x' } })],
    ['JSON that is nested very deep', '['.repeat(100) + ']'.repeat(100)],
  ])('is refused when it is %s', (_what, text) => {
    expect(() => decodeDeadLetter(text)).toThrow(DeadLetterFormatError)
  })
})

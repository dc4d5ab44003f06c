import { describe, expect, it } from 'vitest'
import { MAX_RECORD_CHARS } from '../../../../../src/dead-letter/record/bounds.ts'
import { initialState, leased, settled } from '../../../../../src/dead-letter/store/lifecycle.ts'
import {
  capturedState,
  changedState,
  entryOf,
  leasedState,
  orderOf,
  storedState,
  unreadableState,
} from '../../../../../src/stores/redis/dead-letters/stored-state.ts'
import { makeRecord, type RecordChanges } from '../../../../../src/testing/contracts/records.ts'

/** What the scripts make of a captured state. */
function kept(changes: RecordChanges = {}): Record<string, unknown> {
  const record = makeRecord(changes)
  const json = capturedState(record, initialState(record), orderOf(record))
  return { ...(JSON.parse(json) as object), bytes: 10, payload: '7-0' }
}

const json = (fields: object): Buffer => Buffer.from(JSON.stringify(fields))

describe('a stored state', () => {
  it('says in words what filters and claims look at', () => {
    const labels = { tenant: 't1' }
    const request = { method: 'POST' }
    expect(kept({ timestamp: 7, orderingKey: 'order', notBefore: 9, labels, request })).toEqual({
      timestamp: 7,
      integration: 'hubspot',
      origin: 'https://api.example.com',
      reason: 'exhausted',
      code: '503',
      labels,
      order: expect.stringMatching(/^[\w-]{22}$/) as string,
      replayable: true,
      repeatable: false,
      status: 'pending',
      dueAt: 9,
      bytes: 10,
      payload: '7-0',
    })
  })

  it('is read back', () => {
    expect(storedState(json(kept({ timestamp: 7 })))).toMatchObject({
      summary: { integration: 'hubspot', status: 'pending', code: '503', timestamp: 7 },
      state: { status: 'pending', dueAt: 7, replayCount: 0, replays: [] },
      replayable: true,
      repeatable: true,
      unreadable: false,
      fence: 0,
      leaseUntil: 0,
    })
  })

  it('keeps through a life what it was captured with, and of its claim what settles it', () => {
    const first = storedState(json(kept({ labels: { a: 'b' } })))
    const open = leasedState(first, leased(first.state))
    const second = storedState(Buffer.from(`${open},"fence":3,"leaseUntil":99}`))
    expect(second).toMatchObject({ state: leased(first.state), fence: 3, leaseUntil: 99 })
    const failed = {
      outcome: 'failed',
      replay: { at: 5, outcome: 'failed', code: 'ECONNRESET' },
      delayMs: 1,
      maxReplays: 9,
    } as const
    const { state } = settled(second.state, failed, 50)
    const third = storedState(Buffer.from(changedState(second, state!)))
    expect(third.state).toMatchObject({ ...state, replays: [failed.replay] })
    expect(third.fields).toMatchObject({ labels: { a: 'b' }, bytes: 10, payload: '7-0', fence: 3 })
    // a second lease has a fence of its own
    expect(leasedState(third, leased(third.state))).not.toMatch(/fence|leaseUntil/)
  })

  it('holds no list that is empty, which a script would take for an object', () => {
    const first = storedState(json(kept()))
    expect(changedState(first, first.state)).not.toContain('[]')
  })

  it('holds no half of a character, which a script could not read', () => {
    const half = 'cut \ud83d'
    const texts = {
      integration: half,
      labels: { [half]: half },
      error: { name: 'E', message: half, code: half },
    }
    const first = storedState(json(kept({ ...texts, response: undefined })))
    const replays = [{ at: 1, outcome: 'failed' as const, code: half }]
    const changed = changedState(first, { ...first.state, note: half, replays })
    for (const text of [JSON.stringify(first.fields), changed]) expect(text).not.toMatch(/\\ud83d/)
    expect(unreadableState(json({}), half)).not.toMatch(/\\ud83d/)
  })

  it.each([
    ['no JSON', Buffer.from('nonsense')],
    ['no object', json([])],
    ['deep', Buffer.from('['.repeat(50_000))],
    ['too long', json({ ...kept(), note: 'x'.repeat(4 * MAX_RECORD_CHARS) })],
    ['a status that is none', json({ ...kept(), status: {} })],
    ['a time that is none', json({ ...kept(), dueAt: '7' })],
    ['a time beyond all numbers', json({ ...kept(), dueAt: 9.1e15 })],
    ['bytes that are none', json({ ...kept(), bytes: -1 })],
    ['no payload', json({ ...kept(), payload: undefined })],
    ['a lease that ends at no time', json({ ...kept(), leaseUntil: 'soon' })],
    ['a fence that is none', json({ ...kept(), fence: 1.5 })],
    ['replays that are none', json({ ...kept(), replays: [{ at: 1, outcome: 'lost' }] })],
    ['replays that are no list', json({ ...kept(), replays: {} })],
    ['a count that is none', json({ ...kept(), replayCount: 'many' })],
    ['an order that is none', json({ ...kept(), order: 7 })],
  ])('with %s is refused', (_what, damaged) => {
    expect(() => storedState(damaged)).toThrow(
      expect.objectContaining({ name: 'DeadLetterFormatError' }) as Error,
    )
    // and what is written in its place can be read, counts the same bytes, and waits for a person
    const condemned = storedState(Buffer.from(unreadableState(damaged, 'why')))
    expect(condemned).toMatchObject({
      state: { status: 'quarantined', note: 'why' },
      replayable: false,
      unreadable: true,
    })
  })

  it('that cannot be read keeps what is known of it', () => {
    const damaged = json({ ...kept({ timestamp: 7, orderingKey: 'order' }), status: 'lost' })
    expect(JSON.parse(unreadableState(damaged, 'why'))).toMatchObject({
      timestamp: 7,
      integration: 'hubspot',
      origin: 'https://api.example.com',
      order: expect.stringMatching(/^[\w-]{22}$/) as string,
      bytes: 10,
      payload: '7-0',
    })
  })
})

describe('an entry', () => {
  it('of which the payload is gone, is no record or that of another is refused', () => {
    const stored = storedState(json(kept()))
    const record = Buffer.from(
      JSON.stringify(makeRecord({ id: 'other', request: { body: undefined, bytes: 0 } })),
    )
    expect(() => entryOf('x', stored, null)).toThrow('its payload is gone')
    expect(() => entryOf('x', stored, [])).toThrow('not JSON')
    expect(() => entryOf('x', stored, [Buffer.from('record'), record])).toThrow('that of another entry')
    expect(entryOf('other', stored, [Buffer.from('record'), record])).toMatchObject({
      id: 'other',
      status: 'pending',
    })
  })
})

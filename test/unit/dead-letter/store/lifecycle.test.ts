import { describe, expect, it } from 'vitest'
import type { DeadLetterReplay, DeadLetterState } from '../../../../src/dead-letter/record/record.ts'
import {
  initialState,
  isReplayable,
  lapse,
  leased,
  mayClaim,
  maySettle,
  requeued,
  settled,
} from '../../../../src/dead-letter/store/lifecycle.ts'
import type { Settlement } from '../../../../src/dead-letter/store/settlement.ts'
import { makeRecord } from '../../../../src/testing/contracts/records.ts'

const NOW = 10_000
const pending: DeadLetterState = { status: 'pending', dueAt: 100, replayCount: 0, replays: [] }
const held = leased(pending)
const sending: DeadLetterState = { ...held, status: 'sending' }
const replay = (outcome: DeadLetterReplay['outcome']): DeadLetterReplay => ({ at: 5, ms: 1, outcome })

describe('a new entry', () => {
  it('waits from its capture on, or from the time that the provider asked for', () => {
    const record = makeRecord({ timestamp: 100 })
    expect(initialState(record)).toEqual(pending)
    expect(initialState({ ...record, notBefore: 900 })).toEqual({ ...pending, dueAt: 900 })
    expect(initialState(record, { note: 'moved' })).toEqual({ ...pending, note: 'moved' })
  })

  it('is quarantined when it was imported, and says so', () => {
    expect(initialState(makeRecord(), { status: 'quarantined' })).toMatchObject({
      status: 'quarantined',
      note: 'imported',
    })
    expect(initialState(makeRecord(), { status: 'quarantined', note: 'edited' }).note).toBe('edited')
  })

  it('is quarantined when it cannot be replayed, whatever the caller says', () => {
    const cut = makeRecord({ request: { bytes: 99 } })
    expect(initialState(cut, { note: 'moved' })).toMatchObject({
      status: 'quarantined',
      note: 'not replayable: body-unavailable',
    })
    const large = makeRecord({ replayable: false, notReplayableReason: 'body-too-large' })
    expect(initialState(large).note).toBe('not replayable: body-too-large')
  })
})

describe('a record is replayable', () => {
  const redacted = { bodyRedacted: true }
  const data = Buffer.from('sealed')
  it.each([
    ['with its whole body', makeRecord(), true],
    ['without a body that it never had', makeRecord({ request: { body: undefined, bytes: 0 } }), true],
    ['with a body of which it has a part', makeRecord({ request: { bytes: 99 } }), false],
    ['without the body that it had', makeRecord({ request: { body: undefined, bytes: 5 } }), false],
    ['with a redacted body', makeRecord({ request: redacted }), false],
    [
      'with a redacted body that is sealed',
      makeRecord({ request: redacted, sealed: { keyId: 'k', data } }),
      true,
    ],
    ['with a seal that is gone', makeRecord({ request: redacted, sealed: { keyId: 'k' } }), false],
    [
      'sealed, when it says that it is not',
      makeRecord({ replayable: false, sealed: { keyId: 'k', data } }),
      false,
    ],
  ])('%s: %s', (_how, record, answer) => {
    expect(isReplayable(record)).toBe(answer)
  })
})

describe('an entry may be claimed', () => {
  const due = { ids: undefined, transfer: false }
  const named = { ids: ['x'], transfer: false }
  const move = { ids: undefined, transfer: true }
  const at = (status: DeadLetterState['status'], dueAt = 100): DeadLetterState => ({
    ...pending,
    status,
    dueAt,
  })
  it.each([
    ['pending and due', at('pending', NOW), due, true, false],
    ['pending and not due', at('pending', NOW + 1), due, false, false],
    ['in doubt', at('in-doubt'), due, false, false],
    ['quarantined', at('quarantined'), due, false, false],
    ['pending and not due, by a person', at('pending', NOW + 1), named, true, false],
    ['in doubt, by a person', at('in-doubt'), named, true, false],
    ['quarantined, by a person', at('quarantined'), named, true, false],
    ['held, by a person', at('leased'), named, false, false],
    ['being sent, by a person', at('sending'), named, false, false],
    ['not due, to be moved', at('pending', NOW + 1), move, true, true],
    ['quarantined, to be moved', at('quarantined'), move, true, true],
    ['held, to be moved', at('leased'), move, false, false],
    ['being sent, to be moved', at('sending'), move, false, false],
  ])('%s: %o', (_what, state, scope, replayable, notReplayable) => {
    expect(mayClaim(state, true, scope, NOW)).toBe(replayable)
    expect(mayClaim(state, false, scope, NOW)).toBe(notReplayable)
  })
})

describe('a lease that ended by itself', () => {
  const rules = { maxReplays: Infinity, lapseDelayMs: 500 }
  const lease = { repeatable: true, leaseUntil: 9_000, now: NOW }

  it('leaves the entry where it was when nothing was sent, also one that a person had taken', () => {
    expect(lapse(held, lease, rules)).toEqual(pending)
    const inDoubt: DeadLetterState = { ...pending, status: 'in-doubt', note: 'perhaps' }
    expect(lapse(leased(inDoubt), { ...lease, repeatable: false }, rules)).toEqual(inDoubt)
  })

  it('while sending uses up a replay, and what may be sent twice waits from when that is seen', () => {
    expect(lapse(sending, lease, rules)).toEqual({
      status: 'pending',
      dueAt: NOW + 500,
      replayCount: 1,
      replays: [{ at: NOW, outcome: 'lapsed' }],
    })
    expect(lapse({ ...sending, dueAt: 20_000 }, lease, rules).dueAt).toBe(20_000)
  })

  it('while sending puts what must not be sent twice in doubt', () => {
    expect(lapse(sending, { ...lease, repeatable: false }, rules)).toMatchObject({
      status: 'in-doubt',
      dueAt: 100,
      replayCount: 1,
      note: 'the replayer was lost while sending',
    })
  })

  it('while sending quarantines what has used up its replays', () => {
    const used = { ...sending, replayCount: 2 }
    expect(lapse(used, lease, { ...rules, maxReplays: 4 }).status).toBe('pending')
    expect(lapse(used, lease, { ...rules, maxReplays: 3 })).toMatchObject({
      status: 'quarantined',
      replayCount: 3,
      note: '3 replays used up',
    })
  })

  it('forgets where the entry came from', () => {
    for (const repeatable of [true, false]) {
      expect(lapse(sending, { ...lease, repeatable }, rules)).not.toHaveProperty('leasedFrom')
    }
  })
})

describe('a claim may be settled', () => {
  const outcomes: Settlement[] = [
    { outcome: 'done', replay: replay('done') },
    { outcome: 'failed', replay: replay('failed'), delayMs: 0, maxReplays: 3 },
    { outcome: 'later', delayMs: 0 },
    { outcome: 'in-doubt', replay: replay('in-doubt'), note: 'x' },
    { outcome: 'quarantined', replay: replay('refused'), note: 'x' },
  ]
  it.each(outcomes)('with $outcome while it holds', (settlement) => {
    expect(maySettle(held, settlement)).toBe(true)
    expect(maySettle(sending, settlement)).toBe(true)
    expect(maySettle(pending, settlement)).toBe(false)
  })

  it.each(outcomes)(
    'with $outcome after it lapsed while sending: only when the server took it',
    (settlement) => {
      for (const status of ['pending', 'in-doubt', 'quarantined'] as const) {
        const lapsed = { ...pending, status, replays: [replay('failed'), replay('lapsed')] }
        expect(maySettle(lapsed, settlement)).toBe(settlement.outcome === 'done')
        const since = { ...lapsed, replays: [replay('lapsed'), replay('failed')] }
        expect(maySettle(since, settlement)).toBe(false)
      }
    },
  )
})

describe('a settlement', () => {
  it('of what is done leaves nothing', () => {
    expect(settled(sending, { outcome: 'done', replay: replay('done') }, NOW)).toEqual({
      result: 'done',
      state: undefined,
    })
  })

  it('of what was not sent uses up nothing, and puts it back where it was', () => {
    const later = { outcome: 'later', delayMs: 50 } as const
    expect(settled(held, later, NOW)).toEqual({ result: 'again', state: { ...pending, dueAt: NOW + 50 } })
    const quarantined = leased({ ...pending, status: 'quarantined', note: 'imported' })
    expect(settled(quarantined, { ...later, replay: replay('refused') }, NOW).state).toEqual({
      ...pending,
      status: 'quarantined',
      note: 'imported',
      dueAt: NOW + 50,
      replays: [replay('refused')],
    })
  })

  it('delays by whole milliseconds, never into the past', () => {
    const dueAt = (delayMs: number) => settled(held, { outcome: 'later', delayMs }, NOW).state!.dueAt
    expect(dueAt(0.6)).toBe(NOW + 1)
    expect(dueAt(-5)).toBe(NOW)
    expect(requeued({ ...pending, status: 'in-doubt' }, true, NOW, 0.6)!.dueAt).toBe(NOW + 1)
  })

  it('of what failed brings it back after the delay until its replays are used up', () => {
    const failed = { outcome: 'failed', replay: replay('failed'), delayMs: 50, maxReplays: 2 } as const
    const first = settled(sending, failed, NOW)
    expect(first).toEqual({
      result: 'again',
      state: { ...pending, dueAt: NOW + 50, replayCount: 1, replays: [replay('failed')] },
    })
    const second = settled(leased(first.state!), failed, NOW)
    expect(second).toMatchObject({
      result: 'quarantined',
      state: { status: 'quarantined', replayCount: 2, note: '2 replays used up' },
    })
    expect(second.state).not.toHaveProperty('leasedFrom')
  })

  it.each(['in-doubt', 'quarantined'] as const)(
    'of what is %s keeps the note and counts the replay',
    (outcome) => {
      expect(settled(sending, { outcome, replay: replay('failed'), note: 'why' }, NOW)).toEqual({
        result: outcome,
        state: { ...pending, status: outcome, replayCount: 1, replays: [replay('failed')], note: 'why' },
      })
    },
  )

  it('remembers the newest 20 replays', () => {
    const replays = Array.from({ length: 20 }, (_, at) => ({ ...replay('failed'), at }))
    const failed = { outcome: 'failed', replay: replay('failed'), delayMs: 0, maxReplays: 99 } as const
    expect(settled({ ...sending, replays }, failed, NOW).state!.replays).toEqual([
      ...replays.slice(1),
      replay('failed'),
    ])
  })
})

describe('requeueing', () => {
  const used: DeadLetterState = {
    ...pending,
    status: 'quarantined',
    replayCount: 3,
    replays: [replay('failed')],
    note: '3 replays used up',
  }
  it('brings back what waits for a person, with its replays counted anew and remembered', () => {
    const back = { status: 'pending', dueAt: NOW, replayCount: 0, replays: [replay('failed')] }
    expect(requeued(used, true, NOW)).toEqual(back)
    expect(requeued({ ...used, status: 'in-doubt' }, true, NOW)).toEqual(back)
    expect(requeued(used, true, NOW, 50)).toEqual({ ...back, dueAt: NOW + 50 })
  })

  it('leaves alone what cannot be replayed, and what waits for nobody', () => {
    expect(requeued(used, false, NOW)).toBeUndefined()
    for (const state of [pending, held, sending]) expect(requeued(state, true, NOW)).toBeUndefined()
  })
})

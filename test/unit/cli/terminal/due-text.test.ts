import { expect, it } from 'vitest'
import { dueInText } from '../../../../src/cli/terminal/due-text.ts'
import type { DeadLetter } from '../../../../src/dead-letter/record/record.ts'
import { makeRecord } from '../../../../src/testing/contracts/records.ts'

const now = 1_000_000

function entry(state: Pick<DeadLetter, 'status' | 'dueAt'>): DeadLetter {
  return { ...makeRecord(), replayCount: 0, replays: [], ...state }
}

it('says in how long a pending entry is due', () => {
  expect(dueInText(entry({ status: 'pending', dueAt: now + 200_000 }), now)).toBe('in 3m 20s')
})

it('says nothing of an entry that is due now', () => {
  expect(dueInText(entry({ status: 'pending', dueAt: now }), now)).toBeUndefined()
  expect(dueInText(entry({ status: 'pending', dueAt: now - 1 }), now)).toBeUndefined()
})

it.each(['leased', 'sending', 'in-doubt', 'quarantined'] as const)(
  'says nothing of an entry that is %s: no time makes it due',
  (status) => {
    expect(dueInText(entry({ status, dueAt: now + 200_000 }), now)).toBeUndefined()
  },
)

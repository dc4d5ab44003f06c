import { beforeEach, expect, it } from 'vitest'
import type { LimitReply, LimitRequest } from '../../../../src/rate-limit/shared/backend.ts'
import { ServerMemory } from '../../../../src/rate-limit/shared/server-memory.ts'
import { SlidingWindow } from '../../../../src/rate-limit/sliding-window.ts'

let memory: ServerMemory
let history: SlidingWindow
beforeEach(() => {
  memory = new ServerMemory()
  history = new SlidingWindow(10_000)
  history.add(3, 1_000)
})

/** An exchange in which the process says what it has to, and the server answers so. */
function exchange(reply: Partial<LimitReply>, now = 1_000): Pick<LimitRequest, 'generation' | 'history'> {
  const told = memory.told(history, now)
  const all = { status: 'same', generation: 'one', holdMs: 0, ...reply } as LimitReply
  memory.heard(told as LimitRequest, all, now)
  return told
}

it('knows no generation before the server was heard, and names the one that it said from then on', () => {
  expect(memory.isKnown).toBe(false)
  expect(exchange({ status: 'created' })).toEqual({ generation: '', history: undefined })
  expect(memory.isKnown).toBe(true)
  expect(exchange({})).toEqual({ generation: 'one', history: undefined })
})

it.each(['lost', 'restate'] as const)('tells the history once to a server that answers `%s`', (status) => {
  exchange({ status: 'created' })
  exchange({ status, generation: 'two' })
  expect(memory.isLost).toBe(true)
  const told = exchange({ status, generation: 'two' })
  expect([told.generation, told.history?.map(([, units]) => units)]).toEqual(['', [3]])
  expect(memory.isLost).toBe(false)
  expect(exchange({ generation: 'two' })).toEqual({ generation: 'two', history: undefined })
})

it('takes a message that the server has lost the limit for news once: not where it never knew it, nor while all is held back', () => {
  expect(memory.isNews(0)).toBe(false)
  exchange({ status: 'created' })
  expect(memory.isNews(1_000)).toBe(true)
  exchange({ status: 'restate', generation: 'two', holdMs: 2_500 })
  expect(memory.isNews(3_499)).toBe(false)
  expect(memory.isNews(3_500)).toBe(true)
})

import { describe, expect, it } from 'vitest'
import { finishes, longestWaitMs, mayWait, meanAfter } from '../../../src/bulkhead/admission.ts'

const facts = {
  waiting: 0,
  maxQueue: 2,
  waitLeftMs: 10_000,
  remainingMs: Infinity,
  meanMs: 100,
  closed: false,
}

describe('a call that finds no slot', () => {
  it.each([
    ['waits', {}, 'wait'],
    ['waits while there is room in the line', { waiting: 1 }, 'wait'],
    ['is refused where the line is full', { waiting: 2 }, 'full'],
    ['is refused where none may wait', { maxQueue: 0 }, 'full'],
    ['is refused where it has waited as long as it may', { waitLeftMs: 0.5 }, 'full'],
    ['is refused once the stack is closed', { closed: true }, 'full'],
    ['waits with twice the mean response time left', { remainingMs: 200 }, 'wait'],
    ['is refused with less', { remainingMs: 199 }, 'too-late'],
    ['waits with little time left while nothing has answered', { remainingMs: 5, meanMs: undefined }, 'wait'],
    ['is refused where its time is over', { remainingMs: -1, meanMs: undefined }, 'too-late'],
  ] as const)('%s', (_, given, answer) => {
    expect(mayWait({ ...facts, ...given })).toBe(answer)
  })

  it('waits no longer than it may, and than leaves it the time to be answered', () => {
    expect(longestWaitMs(facts)).toBe(10_000)
    expect(longestWaitMs({ ...facts, remainingMs: 1_000 })).toBe(800)
    expect(longestWaitMs({ ...facts, remainingMs: 1_000, meanMs: undefined })).toBe(1_000)
    expect(longestWaitMs({ ...facts, remainingMs: 200 })).toBe(1)
  })

  it('is in time with twice the mean left', () => {
    expect(finishes(200, 100)).toBe(true)
    expect(finishes(199, 100)).toBe(false)
    expect(finishes(0, undefined)).toBe(true)
  })
})

describe('the mean response time', () => {
  it('is the first answer, then moves a tenth of the way to each', () => {
    expect(meanAfter(undefined, 100, true)).toBe(100)
    expect(meanAfter(100, 200, true)).toBe(110)
    expect(meanAfter(100, 0, true)).toBe(90)
  })

  it('is only raised by what was not answered, which would have taken longer', () => {
    expect(meanAfter(100, 200, false)).toBe(110)
    expect(meanAfter(100, 5, false)).toBe(100)
    expect(meanAfter(undefined, 0, false)).toBeUndefined()
    expect(meanAfter(undefined, 50, false)).toBe(50)
  })
})

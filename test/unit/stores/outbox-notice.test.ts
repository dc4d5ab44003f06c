import { expect, it } from 'vitest'
import { isSentAtOnce, OutboxNotice } from '../../../src/stores/outbox-notice.ts'
import { makeRecord } from '../../../src/testing/contracts/records.ts'
import { VirtualClock } from '../../support/simulation/virtual-clock.ts'

function scene(): { clock: VirtualClock; told: number[]; notice: OutboxNotice; add: () => void } {
  const clock = new VirtualClock()
  const told: number[] = []
  const tell = (): Promise<unknown> => {
    told.push(clock.now())
    return Promise.reject(new Error('the server is away'))
  }
  const notice = new OutboxNotice(tell, clock)
  const add = (): void => {
    if (notice.takeTurn()) told.push(clock.now())
  }
  return { clock, told, notice, add }
}

it('tells of the first call at once, and of all that follow within 100 ms together', async () => {
  const { clock, told, add } = scene()
  add()
  expect(told).toEqual([0])
  for (let ms = 10; ms < 100; ms += 10) {
    await clock.advance(10)
    add()
  }
  expect(told).toEqual([0])
  await clock.advance(10)
  expect(told).toEqual([0, 100])
})

it('tells ten times a second at most, and the last call is among what is told', async () => {
  const { clock, told, add } = scene()
  for (let n = 0; n < 1_000; n++) {
    add()
    await clock.advance(1)
  }
  await clock.advance(100)
  expect(told).toEqual(Array.from({ length: 11 }, (_, n) => n * 100))
  await clock.advance(10_000)
  add()
  expect(told.at(-1)).toBe(clock.now())
  expect(told).toHaveLength(12)
})

it('tells nothing more when it is closed', async () => {
  const { clock, told, add, notice } = scene()
  add()
  add()
  notice.close()
  await clock.advance(1_000)
  expect(told).toEqual([0])
})

it.each([
  ['a call of an outbox', { reason: 'outbox' }, true],
  ['one that is not due yet', { reason: 'outbox', notBefore: Date.now() + 3_600_000 }, false],
  ['a call that failed', { reason: 'exhausted' }, false],
] as const)('%s is sent at once: %s', (_what, changes, isIt) => {
  expect(isSentAtOnce(makeRecord(changes))).toBe(isIt)
})

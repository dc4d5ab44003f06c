import { expect, it } from 'vitest'
import { SlotsByKey } from '../../../src/bulkhead/slots-by-key.ts'
import type { Waiter } from '../../../src/bulkhead/slots.ts'

const waiter = (turn: () => void): Waiter => ({
  inLine: false,
  previousInLine: undefined,
  nextInLine: undefined,
  turn,
})

it('forgets keys beyond a thousand once they are idle, and none that is in use', () => {
  const all = new SlotsByKey(1)
  for (let key = 0; key < 1_000; key++) {
    const slots = all.of(`idle-${key}`)
    slots.take()
    slots.release(1, true)
  }
  expect(all.size).toBe(1_000)
  const busy = all.of('busy')
  busy.take()
  expect(all.of('busy')).toBe(busy)
  expect(busy.free).toBe(false)
  for (let key = 0; key < 500; key++) {
    const slots = all.of(`more-${key}`)
    slots.take()
    slots.release(1, true)
  }
  expect(all.size).toBe(1_001)
  expect(all.of('busy')).toBe(busy)
  busy.release(1, true)
  expect(all.size).toBe(1_000)
})

function withAThousandIdle(): SlotsByKey {
  const all = new SlotsByKey(1)
  for (let key = 0; key < 1_001; key++) all.of(`other-${key}`).take()
  return all
}

it('keeps a key whose last call in line is taking its slot', async () => {
  const all = withAThousandIdle()
  const slots = all.of('busy')
  slots.take()
  slots.join(waiter(() => slots.take()))
  slots.release(1, true)
  await Promise.resolve()
  expect(all.of('busy')).toBe(slots)
  slots.release(1, true)
  expect(all.of('busy')).not.toBe(slots)
})

it('forgets a key whose last call in line does not go', async () => {
  const all = withAThousandIdle()
  const slots = all.of('busy')
  slots.take()
  slots.join(waiter(() => undefined))
  slots.release(1, true)
  await Promise.resolve()
  expect(all.of('busy')).not.toBe(slots)
})

it('forgets no newer slots of a key for the sake of older ones', async () => {
  const all = withAThousandIdle()
  const old = all.of('busy')
  old.take()
  let next: unknown
  old.join(
    waiter(() => {
      old.take()
      old.release(1, true)
      next = all.of('busy')
    }),
  )
  old.release(1, true)
  await Promise.resolve()
  expect(next).not.toBe(old)
  expect(all.of('busy')).toBe(next)
})

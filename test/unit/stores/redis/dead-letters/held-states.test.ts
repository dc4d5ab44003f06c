import { expect, it } from 'vitest'
import { HeldStates } from '../../../../../src/stores/redis/dead-letters/held-states.ts'

const state = (text: string) => ({ json: Buffer.from(text), now: 1000 })

it('a held state is known once, to the claim that it belongs to, with the time that has passed', () => {
  const held = new HeldStates()
  held.remember('a', 1, state('first'))
  held.remember('a', 2, state('second'))
  expect(held.take('a', 1)).toBeUndefined()
  const known = held.take('a', 2)
  expect(String(known?.json)).toBe('second')
  expect(known!.now).toBeGreaterThanOrEqual(1000)
  expect(held.take('a', 2)).toBeUndefined()
})

it('of many held states the oldest are forgotten', () => {
  const held = new HeldStates()
  for (let n = 0; n < 1500; n++) held.remember(`id-${n}`, n, state(''))
  expect(held.take('id-499', 499)).toBeUndefined()
  expect(held.take('id-500', 500)).toBeDefined()
})

it('a held state does not keep the reply alive that it came with', () => {
  const reply = Buffer.alloc(64 * 1024)
  const held = new HeldStates()
  held.remember('a', 1, { json: reply.subarray(0, 10), now: 0 })
  expect(held.take('a', 1)!.json.buffer).not.toBe(reply.buffer)
})

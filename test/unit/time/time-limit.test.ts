import { expect, it } from 'vitest'
import { isDoneWithin, TimeLimitError, withTimeLimit } from '../../../src/time/time-limit.ts'

/** The process cannot run: no timer, no reply. */
function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

const never = new Promise<never>(() => undefined)

it('settles as the promise does', async () => {
  expect(await withTimeLimit(Promise.resolve(7), 10_000, 'x')).toBe(7)
  await expect(withTimeLimit(Promise.reject(new Error('no')), 10_000, 'x')).rejects.toThrow('no')
  expect(await isDoneWithin(Promise.resolve(7), 10_000)).toBe(true)
  await expect(isDoneWithin(Promise.reject(new Error('no')), 10_000)).rejects.toThrow('no')
})

it('gives up after the limit and says what took so long', async () => {
  const late = withTimeLimit(never, 5, 'asking the store')
  await expect(late).rejects.toBeInstanceOf(TimeLimitError)
  await expect(late).rejects.toThrow('asking the store took longer than 5 ms')
  expect(await isDoneWithin(never, 5)).toBe(false)
})

it('leaves nothing unhandled when the promise rejects after the limit', async () => {
  const { promise, reject } = Promise.withResolvers<never>()
  await expect(withTimeLimit(promise, 5, 'x')).rejects.toBeInstanceOf(TimeLimitError)
  reject(new Error('too late'))
  await new Promise(setImmediate)
})

it('does not hold a stall of the process against its peer: the limit begins anew', async () => {
  const { promise, resolve } = Promise.withResolvers<number>()
  const limited = withTimeLimit(promise, 40, 'x')
  standStill(80)
  // the peer stood still too, and answers a moment later
  setTimeout(() => resolve(7), 5)
  expect(await limited).toBe(7)
})

it('begins anew once only: a peer that stays silent is given up', async () => {
  const start = performance.now()
  const limited = withTimeLimit(never, 40, 'x')
  standStill(80)
  await expect(limited).rejects.toBeInstanceOf(TimeLimitError)
  expect(performance.now() - start).toBeGreaterThanOrEqual(115)
})

it('waits no longer for what it does not judge, whatever held the process up', async () => {
  const order: string[] = []
  const limited = withTimeLimit(never, 40, 'x').catch(() => order.push('given up'))
  const done = isDoneWithin(never, 40).then(() => order.push('not done'))
  standStill(80)
  await Promise.all([limited, done])
  expect(order).toEqual(['not done', 'given up'])
})

it('gives up in time also where nothing else happens in a process that it does not keep alive', async () => {
  const start = performance.now()
  await expect(withTimeLimit(never, 10, 'x', { unref: true })).rejects.toBeInstanceOf(TimeLimitError)
  await expect(withTimeLimit(never, 10, 'x', { unref: true })).rejects.toBeInstanceOf(TimeLimitError)
  expect(performance.now() - start).toBeLessThan(10_000)
})

import { expect, test } from 'vitest'
import { SlowStoreError } from '../../../../src/circuit/shared/backend.ts'
import { Unanswered } from '../../../../src/stores/redis/unanswered.ts'

/** A connection that answers when the test says so, in the order in which it was asked. */
function connection() {
  const unanswered = new Unanswered()
  const asked: PromiseWithResolvers<string>[] = []
  const ask = (kind: string, timeoutMs = 20): Promise<string> =>
    unanswered.of(kind)(() => {
      const reply = Promise.withResolvers<string>()
      asked.push(reply)
      return reply.promise
    }, timeoutMs)
  return { unanswered, asked, ask }
}

test('does not ask again what was given up and is not answered yet, and asks it once it is', async () => {
  const { asked, ask } = connection()
  await expect(ask('flush')).rejects.toThrow(SlowStoreError)
  await expect(ask('flush')).rejects.toThrow('Redis has not answered what')
  expect(asked).toHaveLength(1)
  asked[0]!.resolve('late')
  await asked[0]!.promise
  const next = ask('flush')
  asked[1]!.resolve('in time')
  expect(await next).toBe('in time')
})

test('asks as much at once as it is told to while nothing was given up', async () => {
  const { asked, ask } = connection()
  const all = [ask('flush', 1_000), ask('flush', 1_000)]
  for (const [at, reply] of asked.entries()) reply.resolve(String(at))
  expect(await Promise.all(all)).toEqual(['0', '1'])
})

test('waits for all that was given up', async () => {
  const { asked, ask } = connection()
  await Promise.allSettled([ask('flush'), ask('flush')])
  asked[0]!.reject(new Error('NOSCRIPT'))
  await asked[0]!.promise.catch(() => undefined)
  await expect(ask('flush')).rejects.toThrow(SlowStoreError)
  expect(asked).toHaveLength(2)
  asked[1]!.resolve('late')
  await asked[1]!.promise
  void ask('flush').catch(() => undefined)
  expect(asked).toHaveLength(3)
})

test('asks something of another kind', async () => {
  const { asked, ask } = connection()
  await expect(ask('flush')).rejects.toThrow(SlowStoreError)
  const other = ask('peek')
  asked[1]!.resolve('answer')
  expect(await other).toBe('answer')
})

test('gives what waits up at once when the connection is lost, as lost and not as slow, and asks anew over the next', async () => {
  const { unanswered, asked, ask } = connection()
  await expect(ask('flush')).rejects.toThrow(SlowStoreError)
  const waiting = ask('peek', 60_000)
  const failure = waiting.catch((error: unknown) => error)
  unanswered.lost()
  expect(await failure).not.toBeInstanceOf(SlowStoreError)
  await expect(waiting).rejects.toThrow('the connection to Redis was lost')
  const again = ask('flush')
  // the timer of the client ends what was lost: that is nothing of this connection
  asked[0]!.reject(new Error('Command timed out'))
  asked[2]!.resolve('answer')
  expect(await again).toBe('answer')
})

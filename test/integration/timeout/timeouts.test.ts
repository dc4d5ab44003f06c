import { Agent, request } from 'undici'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  resilience,
  type ResilienceOptions,
  type ResilienceStack,
  withCallOptions,
} from '../../../src/index.ts'
import { ok, type Provider, reset, silence, startProvider } from '../../support/calls/provider.ts'

let provider: Provider
let dispatcher: Agent | undefined
let stack: ResilienceStack
beforeEach(async () => {
  provider = await startProvider(ok)
})
afterEach(async () => {
  await dispatcher?.destroy()
  await stack.close()
  await provider.close()
})

const quick = { initialBackoffMs: 1, jitter: 'none' } as const

async function send(
  options: ResilienceOptions,
  perCall: Parameters<typeof withCallOptions>[0] = {},
): Promise<string> {
  stack = resilience(options)
  dispatcher = new Agent().compose(stack) as Agent
  return withCallOptions(perCall, async () =>
    (await request(provider.url, { dispatcher: dispatcher! })).body.text(),
  )
}

describe('a total timeout', () => {
  const trickles = (_request: unknown, response: { write(text: string): unknown }): void => {
    response.write('and so on')
  }

  it('ends at the headers, however long the body takes', async () => {
    provider.replies = [
      (_request, response) => {
        response.write('first, ')
        setTimeout(() => response.end('last'), 2_500)
      },
    ]
    expect(await send({ totalTimeoutMs: 2_000 })).toBe('first, last')
  })

  it('bounds the body too with `totalTimeoutUntil: "end"`', async () => {
    provider.replies = [trickles]
    await expect(send({ totalTimeoutMs: 100, totalTimeoutUntil: 'end' })).rejects.toMatchObject({
      code: 'ERR_TIMEOUT',
      scope: 'call',
    })
  })

  it('of one call is its own, shorter or longer than that of the stack, or where the stack has none', async () => {
    const late: Provider['replies'][number] = (_request, response) =>
      void setTimeout(() => response.end('late'), 150)
    provider.replies = [silence, silence, late]
    const timedOut = { code: 'ERR_TIMEOUT', scope: 'call', timeoutMs: 40 }
    await expect(send({ totalTimeoutMs: 5000 }, { totalTimeoutMs: 40 })).rejects.toMatchObject(timedOut)
    await expect(send({}, { totalTimeoutMs: 40 })).rejects.toMatchObject(timedOut)
    expect(await send({ totalTimeoutMs: 40 }, { totalTimeoutMs: 5000 })).toBe('late')
  })
})

it('an attempt timeout of one call is its own, and each attempt has it', async () => {
  provider.replies = [silence, ok]
  await send({ retry: quick, attemptTimeoutMs: 60_000 }, { attemptTimeoutMs: 1_500 })
  expect(provider.received).toHaveLength(2)
  const [first, second] = provider.received.map(({ at }) => at)
  expect(second! - first!).toBeLessThan(30_000)
})

it('a failure that is never retried is final, and one whose attempts are used up is exhausted', async () => {
  const reasonOf = async (options: ResilienceOptions): Promise<unknown> => {
    provider.replies = [reset, reset]
    await expect(send(options)).rejects.toThrow()
    return (await stack.deadLetters.list()).items.map(({ reason }) => reason)
  }
  expect(await reasonOf({ retry: { ...quick, isRetryableError: () => false } })).toEqual(['final'])
  expect(await reasonOf({ retry: { ...quick, maxAttempts: 2 } })).toEqual(['exhausted'])
})

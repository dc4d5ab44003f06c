import { Readable } from 'node:stream'
import { Agent, type Dispatcher, interceptors, request } from 'undici'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { resilience } from '../../../src/index.ts'
import { type Provider, startProvider } from '../../support/calls/provider.ts'

const MIB = 1024 * 1024
let provider: Provider

beforeEach(async () => {
  provider = await startProvider((received, response) => {
    if (received.url === '/next') response.end('next')
    else response.writeHead(307, { location: '/next' }).end()
  })
})
afterEach(() => provider.close())

const chunks = (bytes: number): Buffer[] =>
  Array.from({ length: Math.ceil(bytes / 65_536) }, () => Buffer.alloc(Math.min(bytes, 65_536), 1))

const bodies = {
  'a small Readable': () => Readable.from(chunks(100)),
  'a Readable of 4 MiB': () => Readable.from(chunks(4 * MIB)),
  'a string': () => 'order',
  'no body': () => null,
}

const redirect = interceptors.redirect({ maxRedirections: 3 })

/** What the caller and the server see of it. */
async function sent(dispatcher: Dispatcher, body: Readable | string | null): Promise<unknown> {
  provider.received.length = 0
  const { statusCode, body: answer } = await request(provider.url, { method: 'PUT', body, dispatcher })
  const said = await answer.text()
  await dispatcher.destroy()
  return {
    statusCode,
    said,
    received: provider.received.map(({ url, bytes, complete }) => ({ url, bytes, complete })),
  }
}

describe.each(Object.keys(bodies) as (keyof typeof bodies)[])('%s and a 307', (name) => {
  it('gives what it gives without the stack, with redirect above the stack', async () => {
    const bare = await sent(new Agent().compose(redirect), bodies[name]())
    const stack = resilience()
    expect(await sent(new Agent().compose(stack, redirect), bodies[name]())).toEqual(bare)
    await stack.close()
  })
})

// undici's redirect looks only at streams whether they were read, and under the stack a body is none
describe('with redirect under the stack', () => {
  it('a body that is recorded whole is sent again whole, where undici gives the 307', async () => {
    const stack = resilience()
    expect(await sent(new Agent().compose(redirect, stack), bodies['a small Readable']())).toEqual({
      statusCode: 200,
      said: 'next',
      received: [
        { url: '/', bytes: 100, complete: true },
        { url: '/next', bytes: 100, complete: true },
      ],
    })
    await stack.close()
  })

  it.each([
    ['longer than what is kept for a retry', {}, 1_048_576],
    ['longer than what is kept for a dead letter', { retry: false }, 262_144],
  ] as const)(
    'one that is %s is an error that says so, and no failure of the provider',
    async (_how, options, limit) => {
      const stack = resilience({ ...options, circuitBreaker: { failureThreshold: 1, failureRate: 0 } })
      const dispatcher = new Agent().compose(redirect, stack)
      await expect(sent(dispatcher, bodies['a Readable of 4 MiB']())).rejects.toMatchObject({
        code: 'ERR_BODY_NOT_REPEATABLE',
        message:
          `the request body cannot be sent again: it is longer than the ${limit} bytes that are kept of it; compose ` +
          'interceptors that send it again, such as redirect, above this package',
      })
      // never a second body that is cut
      expect(provider.received.filter(({ url, complete }) => url === '/next' && complete)).toEqual([])
      expect(stack.circuits.list().filter(({ state }) => state !== 'closed')).toEqual([])
      expect((await stack.deadLetters.list()).items).toEqual([])
      await dispatcher.destroy()
      await stack.close()
    },
  )
})

import { Agent } from 'undici'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type CallGivenUpEvent, channels, resilience, withCallOptions } from '../../../src/index.ts'
import { type Provider, reset, startProvider, status } from '../../support/calls/provider.ts'
import { via } from '../../support/calls/via.ts'

let provider: Provider

beforeAll(async () => {
  provider = await startProvider()
})
afterAll(() => provider.close())

it.each([
  ['a response', status(503)],
  ['an error', reset],
])(
  'joins a business id to its dead letter after %s: caller, log of the capture, event of the call given up',
  async (_what, reply) => {
    provider.start([reply])
    const lines: Record<string, unknown>[] = []
    const note = (context: object, message: string): void => void lines.push({ ...context, message })
    const stack = resilience({
      retry: { maxAttempts: 2, initialBackoffMs: 0 },
      logger: { info: note, warn: note, error: note },
    })
    const dispatcher = new Agent().compose(stack)
    const ids: string[] = []
    const givenUp: CallGivenUpEvent[] = []
    const hear = (event: CallGivenUpEvent): void => void givenUp.push(event)
    channels.callGivenUp.subscribe(hear)
    const labels = { order: '7' }
    await withCallOptions({ labels, onCaptured: (id) => void ids.push(id) }, () =>
      fetch(provider.url, via(dispatcher)),
    ).catch(() => undefined)
    const { items } = await stack.deadLetters.list()
    expect(ids).toEqual(items.map(({ id }) => id))
    const [deadLetterId] = ids
    expect(lines).toContainEqual(
      expect.objectContaining({ message: 'dead letter captured', deadLetterId, labels }),
    )
    channels.callGivenUp.unsubscribe(hear)
    expect(givenUp).toMatchObject([{ reason: 'exhausted', deadLetterId, labels }])
    await stack.close()
    await dispatcher.close()
  },
)

it('goes on when `onCaptured` throws', async () => {
  provider.start([status(503)])
  const warned: string[] = []
  const logger = {
    info: () => undefined,
    warn: () => undefined,
    error: (_: object, m: string) => void warned.push(m),
  }
  const stack = resilience({ retry: false, logger })
  const dispatcher = new Agent().compose(stack)
  const onCaptured = (): never => {
    throw new Error('a bug')
  }
  const response = await withCallOptions({ onCaptured }, () => fetch(provider.url, via(dispatcher)))
  expect(response.status).toBe(503)
  expect((await stack.deadLetters.list()).items).toHaveLength(1)
  expect(warned).toContain('`onCaptured` threw')
  await stack.close()
  await dispatcher.close()
})

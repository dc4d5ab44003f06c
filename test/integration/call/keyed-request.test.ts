import { setImmediate } from 'node:timers/promises'
import { Agent, type Dispatcher, request } from 'undici'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ResilientHttpClient, resilience, withCallOptions } from '../../../src/index.ts'
import { ok, type Provider, type Reply, reset, startProvider, status } from '../../support/calls/provider.ts'
import { via } from '../../support/calls/via.ts'

let provider: Provider
let dispatcher: Dispatcher
const options = { retry: { initialBackoffMs: 1, maxAttempts: 2 } }

beforeEach(async () => {
  provider = await startProvider()
  dispatcher = new Agent().compose(resilience(options))
})
afterEach(async () => {
  await dispatcher.destroy()
  await provider.close()
})

const send = async (path: string, init: RequestInit = {}): Promise<number> => {
  const response = await fetch(provider.url + path, via(dispatcher, { method: 'POST', ...init }))
  await response.text()
  return response.status
}
const keyed = <T>(calls: () => T): T => withCallOptions({ idempotencyKey: 'order-7' }, calls)
const seen = (): (string | undefined)[][] =>
  provider.received.map(({ method, url, headers }) => [
    `${method} ${url}`,
    headers['idempotency-key'] as string | undefined,
  ])

describe('the idempotency key of a scope', () => {
  it('is of the first request that is not idempotent, and of no other', async () => {
    await keyed(async () => {
      await send('/price', { method: 'GET' })
      await send('/cart', { method: 'PUT', body: '1' })
      await send('/charges', { body: '{"amount":1}' })
      await send('/emails', { body: '{"amount":1}' })
      await send('/charges', { method: 'PATCH', body: '{"amount":1}' })
      await send('/charges', { body: '{"amount":2}' })
    })
    expect(seen()).toEqual([
      ['GET /price', undefined],
      ['PUT /cart', undefined],
      ['POST /charges', 'order-7'],
      ['POST /emails', undefined],
      ['PATCH /charges', undefined],
      ['POST /charges', undefined],
    ])
  })

  it('is of one of several that are made at once', async () => {
    await keyed(() => Promise.all([send('/charges', { body: '1' }), send('/charges', { body: '2' })]))
    expect(seen().map(([, key]) => key)).toHaveLength(2)
    expect(seen().filter(([, key]) => key === 'order-7')).toHaveLength(1)
  })

  it('is not of what goes on after its call', async () => {
    let refresh = (): Promise<number> => Promise.resolve(0)
    await keyed(async () => {
      refresh = () => send('/oauth/token', { body: 'refresh' })
      await send('/charges', { body: '1' })
      await refresh()
    })
    expect(seen()).toEqual([
      ['POST /charges', 'order-7'],
      ['POST /oauth/token', undefined],
    ])
  })

  it.each<[string, Reply]>([
    ['a 503', status(503)],
    ['a reset', reset],
  ])('stays with a request that is sent again inside the scope after %s', async (_what, failure) => {
    provider.replies = [failure, failure, ok]
    await keyed(async () => {
      // our two attempts, and one more of whoever stands between
      await send('/charges', { body: '1' }).catch(() => undefined)
      expect(await send('/charges', { body: '1' })).toBe(200)
    })
    expect(seen()).toEqual(Array(3).fill(['POST /charges', 'order-7']))
  })

  it('stays with a request that is sent again since the verdict on its answer was a failure', async () => {
    await dispatcher.destroy()
    const classify = () => ({ kind: 'permanent' }) as const
    dispatcher = new Agent().compose(resilience({ ...options, classify }))
    await keyed(async () => {
      await send('/charges', { body: '1' })
      await send('/charges', { body: '1' })
    })
    expect(seen()).toEqual(Array(2).fill(['POST /charges', 'order-7']))
  })

  it('does not stay with one of the same length and place, where what is in it can be known', async () => {
    provider.replies = [status(400)]
    const post = async (body: string | Uint8Array): Promise<void> => {
      const answer = await request(`${provider.url}/charges`, { method: 'POST', body, dispatcher })
      await answer.body.dump()
    }
    await keyed(async () => {
      await post('{"amount":1}')
      await post('{"amount":2}')
      await post(Buffer.from('{"amount":3}'))
      await post(Buffer.from('{"amount":1}'))
    })
    expect(seen().map(([, key]) => key)).toEqual(['order-7', undefined, undefined, 'order-7'])
  })

  it.each([307, 308])('goes along with a redirect of %i that fetch follows', async (code) => {
    provider.replies = [status(code, { location: '/new' }), ok]
    expect(await keyed(() => send('/charges', { body: '1' }))).toBe(200)
    expect(seen()).toEqual([
      ['POST /charges', 'order-7'],
      ['POST /new', 'order-7'],
    ])
  })

  it('is left to a request that has its own', async () => {
    await keyed(async () => {
      await send('/charges', { body: '1', headers: { 'idempotency-key': 'mine' } })
      await send('/refunds', { body: '1' })
    })
    expect(seen().map(([, key]) => key)).toEqual(['mine', 'order-7'])
  })

  it('is shared with scopes inside that have none, and each that has one begins anew', async () => {
    await keyed(async () => {
      await withCallOptions({ labels: { a: '1' } }, () => send('/charges', { body: '1' }))
      await send('/emails', { body: '1' })
      await withCallOptions({ idempotencyKey: 'order-8' }, () => send('/charges', { body: '1' }))
    })
    expect(seen().map(([, key]) => key)).toEqual(['order-7', undefined, 'order-8'])
  })

  it('is sent by a client too, once', async () => {
    const client = new ResilientHttpClient({ ...options, baseUrl: provider.url })
    await keyed(async () => {
      await client.request('/charges', { method: 'POST', body: '1' })
      await client.request('/emails', { method: 'POST', body: '1' })
    })
    expect(seen().map(([, key]) => key)).toEqual(['order-7', undefined])
    await client.close()
  })
})

it('warns once of a request that goes without', async () => {
  vi.resetModules()
  const fresh = await import('../../../src/index.ts')
  const warned: string[] = []
  const onWarning = ({ message }: Error): void => void warned.push(message)
  process.on('warning', onWarning)
  const own = new Agent().compose(fresh.resilience(options))
  try {
    await fresh.withCallOptions({ idempotencyKey: 'order-7' }, async () => {
      for (const path of ['/charges', '/emails', '/emails']) {
        const response = await fetch(provider.url + path, via(own, { method: 'POST', body: '1' }))
        await response.text()
      }
    })
    await setImmediate()
  } finally {
    process.off('warning', onWarning)
    await own.destroy()
  }
  expect(warned.filter((text) => text.includes('idempotency key'))).toEqual([
    `POST ${provider.url}/emails goes without the idempotency key of \`withCallOptions\`, which is that of one request: ` +
      `POST ${provider.url}/charges has it; give each its own \`withCallOptions\``,
  ])
})

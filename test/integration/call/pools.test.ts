import { BalancedPool, Client, Pool, request } from 'undici'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { resilience } from '../../../src/index.ts'
import { ok, type Provider, startProvider, status } from '../../support/calls/provider.ts'

let down: Provider
let up: Provider
const warnings: string[] = []
beforeEach(async () => {
  down = await startProvider(status(503))
  up = await startProvider(ok)
  warnings.length = 0
  vi.spyOn(process, 'emitWarning').mockImplementation((warning) => void warnings.push(String(warning)))
})
afterEach(async () => {
  vi.restoreAllMocks()
  await down.close()
  await up.close()
})

const alert = { retry: false, circuitBreaker: { failureThreshold: 1, timeoutMs: 60_000 } } as const
const bill = { path: '/bill?token=s3cret', method: 'GET' } as const

describe('a BalancedPool that is asked by path, and tells no origin', () => {
  it('has no circuit, so that one outage does not stop the calls to another, and that is said once', async () => {
    const stack = resilience(alert)
    const [broken, healthy] = [down, up].map(({ url }) => new BalancedPool([url]).compose(stack))
    for (let call = 0; call < 3; call++) {
      expect((await broken!.request(bill)).statusCode).toBe(503)
      expect((await healthy!.request(bill)).statusCode).toBe(200)
    }
    expect(stack.circuits.list()).toEqual([])
    expect(warnings).toEqual([
      expect.stringMatching(/^GET \/bill\?token=\[redacted\] has no origin, and so no circuit/),
    ])
    await stack.close()
    await Promise.all([broken!.destroy(), healthy!.destroy()])
  })

  it('has the circuit that `key` gives it', async () => {
    const stack = resilience({ ...alert, circuitBreaker: { ...alert.circuitBreaker, key: () => 'billing' } })
    const broken = new BalancedPool([down.url]).compose(stack)
    await broken.request(bill)
    expect(stack.circuits.list()).toMatchObject([{ key: 'billing', state: 'open' }])
    expect(warnings).toEqual([])
    await stack.close()
    await broken.destroy()
  })

  it('has a circuit per upstream, and whole urls, where each of its pools is composed', async () => {
    const stack = resilience(alert)
    const pool = new BalancedPool([down.url], {
      factory: (origin, options) => new Pool(origin, options as Pool.Options).compose(stack),
    })
    await (await pool.request(bill)).body.text()
    expect(stack.circuits.state(down.url).state).toBe('open')
    const [letter] = (await stack.deadLetters.list()).items
    expect(letter!.request.url).toBe(`${down.url}/bill?token=[redacted]`)
    expect(warnings).toEqual([])
    await stack.close()
    await pool.destroy()
  })
})

it.each([
  ['a Pool', () => new Pool(down.url)],
  ['a Client', () => new Client(down.url)],
])('%s tells its origin itself, also when it is asked by path', async (_name, make) => {
  const stack = resilience(alert)
  const dispatcher = make().compose(stack)
  await (await dispatcher.request(bill)).body.text()
  expect(stack.circuits.list()).toMatchObject([{ key: down.url, state: 'open' }])
  expect((await stack.deadLetters.list()).items[0]!.request.url).toBe(`${down.url}/bill?token=[redacted]`)
  await stack.close()
  await dispatcher.destroy()
})

it('a BalancedPool that is asked by url has the circuit of that url', async () => {
  const stack = resilience(alert)
  const dispatcher = new BalancedPool([down.url]).compose(stack)
  await (await request(`${down.url}/bill`, { dispatcher })).body.text()
  expect(stack.circuits.list()).toMatchObject([{ key: down.url, state: 'open' }])
  await stack.close()
  await dispatcher.destroy()
})

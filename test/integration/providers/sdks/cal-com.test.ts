import { createRequire } from 'node:module'
import { describe, expect, it } from 'vitest'
import { preset as calCom } from '../../../../src/providers/cal-com.ts'
import { FakeCalCom } from '../../../support/providers/fakes/fake-cal-com.ts'
import { globalStack } from '../../../support/providers/global-stack.ts'

/** CommonJS without types, and this file is about what it does at run time: of its shape only what is used here. */
const require = createRequire(import.meta.url)

interface CalSdk {
  httpCaller: { axiosClient: { defaults: { adapter: unknown } } }
  schedules: { getSchedules(): Promise<object[]>; createSchedule(schedule: object): Promise<{ id: number }> }
}
interface CalOptions {
  baseUrl: string
  httpRetries?: { maxAmount: number }
}
interface CalModule {
  Cal: new (clientId: string, credentials: { accessToken: string }, options: CalOptions) => CalSdk
}
const path = require.resolve('@calcom/sdk')
/** The axios that the SDK names as its dependency, and does not load: a copy of an older one is in its bundle. */
const axios = createRequire(path)('axios') as {
  defaults: { adapter: unknown }
  getAdapter(name: string): unknown
}

const scene = globalStack(['cal-s3cr3t'])

describe('@calcom/sdk 1, on an axios of its own', () => {
  const office = { name: 'Office', timeZone: 'Europe/London', isDefault: false }
  const noRetries = { httpRetries: { maxAmount: 0 } }

  async function start(options: Partial<CalOptions> = {}) {
    const provider = await scene.globally(calCom, new FakeCalCom('cal-s3cr3t'))
    const { Cal } = require(path) as CalModule
    const sdk = new Cal('client', { accessToken: 'cal-s3cr3t' }, { baseUrl: provider.origin, ...options })
    return { provider, sdk, own: sdk.httpCaller.axiosClient.defaults }
  }

  it('is not reached as it comes: its requests go past the dispatcher', async () => {
    const { provider, sdk } = await start(noRetries)
    provider.faults = [{ instead: provider.limited(1) }, { instead: provider.error(503, 'DOWN', 'down') }]
    await expect(sdk.schedules.getSchedules()).rejects.toMatchObject({ statusCode: 429 })
    await expect(sdk.schedules.getSchedules()).rejects.toMatchObject({ statusCode: 503 })
    expect(provider.requests).toHaveLength(2)
    expect(await scene.letters()).toEqual([])
  })

  it('is not reached by the defaults of the installed axios: an older one is in its bundle', async () => {
    const { adapter } = axios.defaults
    axios.defaults.adapter = 'fetch'
    Reflect.deleteProperty(require.cache, path)
    try {
      const { provider, sdk } = await start(noRetries)
      provider.faults = [{ instead: provider.limited(1) }]
      await expect(sdk.schedules.getSchedules()).rejects.toMatchObject({ statusCode: 429 })
      expect(provider.requests).toMatchObject([{ headers: { 'user-agent': 'axios/1.6.8' } }])
    } finally {
      axios.defaults.adapter = adapter
    }
  })

  it('is not reached by the name of the fetch adapter: its axios has none, and nothing is sent', async () => {
    const { provider, sdk, own } = await start(noRetries)
    own.adapter = 'fetch'
    await expect(sdk.schedules.getSchedules()).rejects.toThrow('An error occurred during the request setup')
    expect(provider.requests).toEqual([])
  })

  it("is reached by a newer axios's fetch adapter: a read rides out a limit and an outage", async () => {
    const { provider, sdk, own } = await start(noRetries)
    own.adapter = axios.getAdapter('fetch')
    provider.faults = [{ instead: provider.limited(1) }, { instead: provider.error(503, 'DOWN', 'down') }]
    expect(await sdk.schedules.getSchedules()).toEqual([])
    expect(provider.requests).toHaveLength(3)
    expect(provider.early).toBe(0)
  })

  it('sends a create again with it that the limit refused, and no create that may have been done', async () => {
    const { provider, sdk, own } = await start(noRetries)
    own.adapter = axios.getAdapter('fetch')
    provider.faults = [{ instead: provider.limited(1) }]
    expect(await sdk.schedules.createSchedule({ ...office, name: 'Home' })).toMatchObject({ id: 1 })
    expect(provider.requests).toHaveLength(2)
    provider.faults = [{ afterwards: provider.error(503, 'DOWN', 'down') }]
    await expect(sdk.schedules.createSchedule(office)).rejects.toMatchObject({ statusCode: 503 })
    expect(provider.requests).toHaveLength(3)
    expect(provider.duplicates).toBe(0)
    const [letter] = await scene.letters()
    expect(letter).toMatchObject({ reason: 'not-repeatable', delivery: 'unknown', replayable: true })
    const record = await scene.stack.deadLetters.get(letter?.id ?? '')
    expect(JSON.parse(Buffer.from(record?.request.body ?? []).toString())).toEqual(office)
  })

  it('does not repeat a create with it whose connection broke', async () => {
    const { provider, sdk, own } = await start(noRetries)
    own.adapter = axios.getAdapter('fetch')
    provider.faults = [{ afterwards: 'reset' }]
    await expect(sdk.schedules.createSchedule(office)).rejects.toThrow('no response was received')
    expect(provider.requests).toHaveLength(1)
    expect(await scene.letters()).toMatchObject([{ reason: 'not-repeatable', delivery: 'unknown' }])
  })

  it.each([
    ['as it comes', undefined],
    ['with the adapter', axios.getAdapter('fetch')],
  ])('%s creates twice by its own retries, which is why they have to be off', async (_, adapter) => {
    const { provider, sdk, own } = await start()
    if (adapter !== undefined) own.adapter = adapter
    provider.faults = [{ afterwards: 'reset' }]
    await sdk.schedules.createSchedule(office)
    expect(provider.requests).toHaveLength(2)
    expect(provider.duplicates).toBe(1)
  })
})

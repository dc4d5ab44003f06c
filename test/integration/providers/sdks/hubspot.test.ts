import { createRequire } from 'node:module'
import { describe, expect, it } from 'vitest'
import { preset as hubspot } from '../../../../src/providers/hubspot.ts'
import { FakeHubSpot } from '../../../support/providers/fakes/fake-hubspot.ts'
import { globalStack } from '../../../support/providers/global-stack.ts'

/** The SDKs are CommonJS, and these files are about what they do at run time: of their types only what is used here. */
const require = createRequire(import.meta.url)

interface HubSpotSdk {
  crm: {
    contacts: {
      basicApi: { create(input: object): Promise<{ id: string }> }
      searchApi: { doSearch(search: object): Promise<{ total: number }> }
    }
  }
}
const HubSpot = (require('@hubspot/api-client') as { Client: new (options: object) => HubSpotSdk }).Client

const scene = globalStack(['pat-s3cr3t'])

describe('@hubspot/api-client 14, on the global fetch', () => {
  async function start() {
    const provider = await scene.globally(hubspot, new FakeHubSpot('pat-s3cr3t'))
    return {
      provider,
      sdk: new HubSpot({ accessToken: 'pat-s3cr3t', basePath: provider.origin, numberOfApiCallRetries: 0 }),
    }
  }

  it('is reached: a limit is obeyed, and a search rides out an outage', async () => {
    const { provider, sdk } = await start()
    provider.faults = [{ instead: provider.limited(50) }, { instead: { status: 500 } }]
    expect(await sdk.crm.contacts.searchApi.doSearch({ query: 'ada' })).toMatchObject({ total: 0 })
    expect(provider.requests).toHaveLength(3)
    expect(provider.early).toBe(0)
  })

  it('creates nothing twice, and what fails is kept with its body', async () => {
    const { provider, sdk } = await start()
    provider.faults = [{ afterwards: provider.error(502, 'Bad Gateway', 'GATEWAY') }]
    const input = { properties: { email: 'ada@example.com' }, associations: [] }
    await expect(sdk.crm.contacts.basicApi.create(input)).rejects.toMatchObject({ code: 502 })
    expect(provider.duplicates).toBe(0)
    expect(provider.requests).toHaveLength(1)
    const [letter] = await scene.letters()
    expect(letter).toMatchObject({ reason: 'not-repeatable', replayable: true })
    const record = await scene.stack.deadLetters.get(letter?.id ?? '')
    expect(JSON.parse(Buffer.from(record?.request.body ?? []).toString())).toMatchObject(input)
  })

  it('creates twice by its own retries, which is why they stay off', async () => {
    const provider = await scene.globally(hubspot, new FakeHubSpot('pat-s3cr3t'))
    const sdk = new HubSpot({
      accessToken: 'pat-s3cr3t',
      basePath: provider.origin,
      numberOfApiCallRetries: 2,
    })
    provider.faults = [{ afterwards: provider.error(502, 'Bad Gateway', 'GATEWAY') }]
    const input = { properties: { email: 'ada@example.com' }, associations: [] }
    await sdk.crm.contacts.basicApi.create(input).catch(() => undefined)
    expect(provider.duplicates).toBe(1)
  })
})

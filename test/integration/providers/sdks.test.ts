import { createRequire } from 'node:module'
import { Agent, type Dispatcher, getGlobalDispatcher, setGlobalDispatcher } from 'undici'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { memoryStore, resilience, type ResilienceStack } from '../../../src/index.ts'
import { preset as hubspot } from '../../../src/providers/hubspot.ts'
import { preset as mailchimp, transactionalPreset as mandrill } from '../../../src/providers/mailchimp.ts'
import type { ProviderPreset } from '../../../src/providers/hubspot.ts'
import { preset as sendgrid } from '../../../src/providers/sendgrid.ts'
import type { FakeProvider } from '../../support/providers/fake-provider.ts'
import { FakeHubSpot } from '../../support/providers/fake-hubspot.ts'
import { FakeMailchimp } from '../../support/providers/fake-mailchimp.ts'
import { FakeMandrill } from '../../support/providers/fake-mandrill.ts'
import { FakeSendGrid } from '../../support/providers/fake-sendgrid.ts'
import { guardSecrets } from '../../support/providers/guard-secrets.ts'

/** The SDKs are CommonJS, and this file is about what they do at run time: of their types only what is used here. */
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

interface SendGridSdk {
  setApiKey(key: string): void
  setDefaultRequest(name: string, value: unknown): void
  request(request: object): Promise<[{ statusCode: number }]>
}
const SendGrid = (require('@sendgrid/client') as { Client: new () => SendGridSdk }).Client

interface Axios {
  defaults: { adapter: unknown }
}

const keepRecords = guardSecrets(['pat-s3cr3t', 'SG.s3cr3t', 'md-s3cr3t', 's3cr3t0key-us6'])
let before: Dispatcher
let stack: ResilienceStack
let fake: FakeProvider
const close: (() => Promise<unknown>)[] = []

/** The preset on the global dispatcher, as an application would put it there. */
async function globally<Fake extends FakeProvider>(preset: ProviderPreset, provider: Fake): Promise<Fake> {
  stack = resilience({ ...preset, retry: { ...preset.retry, initialBackoffMs: 1 }, store: memoryStore() })
  setGlobalDispatcher(new Agent().compose(stack))
  await provider.start()
  fake = provider
  return provider
}

async function letters() {
  await stack.close()
  return (await stack.deadLetters.list()).items
}

beforeAll(() => {
  before = getGlobalDispatcher()
})
afterEach(async () => {
  await stack.close()
  await keepRecords(stack)
  await fake.close()
  for (const one of close.splice(0)) await one()
})
afterAll(() => setGlobalDispatcher(before))

describe('@hubspot/api-client 14, on the global fetch', () => {
  async function start() {
    const provider = await globally(hubspot, new FakeHubSpot('pat-s3cr3t'))
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
    const [letter] = await letters()
    expect(letter).toMatchObject({ reason: 'non_retryable', replayable: true })
    const record = await stack.deadLetters.get(letter?.id ?? '')
    expect(JSON.parse(Buffer.from(record?.request.body ?? []).toString())).toMatchObject(input)
  })

  it('creates twice by its own retries, which is why they stay off', async () => {
    const provider = await globally(hubspot, new FakeHubSpot('pat-s3cr3t'))
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

describe('@sendgrid/client 8, on axios', () => {
  const mail = {
    personalizations: [{ to: [{ email: 'ada@example.com' }] }],
    from: { email: 'shop@example.com' },
    subject: 'Your order',
  }
  async function start() {
    const provider = await globally(sendgrid, new FakeSendGrid('SG.s3cr3t'))
    const sdk = new SendGrid()
    sdk.setApiKey('SG.s3cr3t')
    sdk.setDefaultRequest('baseUrl', provider.origin)
    return { provider, sdk, send: () => sdk.request({ method: 'POST', url: '/v3/mail/send', body: mail }) }
  }

  it('is not reached as it comes: its requests go past the dispatcher', async () => {
    const { provider, send } = await start()
    provider.faults = [{ instead: provider.limited(1) }]
    await expect(send()).rejects.toMatchObject({ code: 429 })
    expect(provider.requests).toHaveLength(1)
    expect(await letters()).toEqual([])
  })

  it('is reached with the fetch adapter: a limit is obeyed, and a mail is not sent twice', async () => {
    const { provider, sdk, send } = await start()
    sdk.setDefaultRequest('adapter', 'fetch')
    provider.faults = [{ instead: provider.limited(1) }]
    expect((await send())[0].statusCode).toBe(202)
    expect(provider.requests).toHaveLength(2)
    expect(provider.early).toBe(0)
    provider.faults = [{ afterwards: { status: 500 } }]
    await expect(send()).rejects.toMatchObject({ code: 500 })
    expect(provider.requests).toHaveLength(3)
    expect(await letters()).toMatchObject([{ reason: 'non_retryable' }])
  })
})

describe('@mailchimp/mailchimp_transactional 1.4, on axios', () => {
  interface Sdk {
    basePath: string
    users: { ping2(): Promise<unknown> }
    messages: { send(body: object): Promise<unknown> }
  }
  const path = require.resolve('@mailchimp/mailchimp_transactional')
  // its own axios, wherever npm put it
  const axios = createRequire(path)('axios') as Axios
  const adapter = axios.defaults.adapter

  /** The SDK makes its axios when it is loaded: the adapter has to be chosen before. */
  function load(chosen: unknown, provider: FakeMandrill): Sdk {
    axios.defaults.adapter = chosen
    for (const key of Object.keys(require.cache))
      if (key.includes('mailchimp_transactional')) delete require.cache[key]
    const sdk = (require(path) as (key: string) => Sdk)('md-s3cr3t')
    axios.defaults.adapter = adapter
    sdk.basePath = provider.baseUrl
    return sdk
  }

  it('is not reached as it comes', async () => {
    const provider = await globally(mandrill, new FakeMandrill('md-s3cr3t'))
    const sdk = load(adapter, provider)
    provider.faults = [{ instead: provider.error('GeneralError', 'later') }]
    await sdk.users.ping2()
    expect(provider.requests).toHaveLength(1)
  })

  it('is reached when axios fetches before it is loaded, and its key is not kept', async () => {
    const provider = await globally(mandrill, new FakeMandrill('md-s3cr3t'))
    const sdk = load('fetch', provider)
    provider.faults = [{ instead: provider.error('GeneralError', 'later') }]
    expect(await sdk.users.ping2()).toEqual({ PING: 'PONG!' })
    expect(provider.requests).toHaveLength(2)
    provider.faults = [{ instead: provider.error('GeneralError', 'later') }]
    await sdk.messages.send({ message: { to: [{ email: 'ada@example.com' }] } })
    expect(provider.requests).toHaveLength(3)
    const [letter] = await letters()
    const record = await stack.deadLetters.get(letter?.id ?? '')
    expect(record).toMatchObject({ replayable: false, notReplayableReason: 'body_redacted' })
    expect(Buffer.from(record?.request.body ?? []).toString()).not.toContain('md-s3cr3t')
  })
})

describe('@mailchimp/mailchimp_marketing 3, on superagent', () => {
  interface Sdk {
    setConfig(config: object): void
    ApiClient?: unknown
    ping: { get(): Promise<unknown>; apiClient: { basePath: string } }
  }

  it("is not reached: an outage is the application's own to handle", async () => {
    const provider = await globally(mailchimp, new FakeMailchimp('s3cr3t0key-us6'))
    const sdk = require('@mailchimp/mailchimp_marketing') as Sdk
    sdk.setConfig({ apiKey: 's3cr3t0key-us6', server: 'us6' })
    sdk.ping.apiClient.basePath = provider.baseUrl
    provider.faults = [{ instead: { status: 503 } }]
    await expect(sdk.ping.get()).rejects.toMatchObject({ status: 503 })
    expect(provider.requests).toHaveLength(1)
    expect(await letters()).toEqual([])
  })
})

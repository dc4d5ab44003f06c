import { createRequire } from 'node:module'
import { describe, expect, it } from 'vitest'
import {
  preset as mailchimp,
  transactionalPreset as transactional,
} from '../../../../src/providers/mailchimp.ts'
import { FakeMailchimpTransactional } from '../../../support/providers/fakes/fake-mailchimp-transactional.ts'
import { FakeMailchimp } from '../../../support/providers/fakes/fake-mailchimp.ts'
import { globalStack } from '../../../support/providers/global-stack.ts'

/** The SDKs are CommonJS, and these files are about what they do at run time: of their types only what is used here. */
const require = createRequire(import.meta.url)

interface Axios {
  defaults: { adapter: unknown }
}

const scene = globalStack(['md-s3cr3t', 's3cr3t0key-us6'])

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
  function load(chosen: unknown, provider: FakeMailchimpTransactional): Sdk {
    axios.defaults.adapter = chosen
    for (const key of Object.keys(require.cache)) {
      if (key.includes('mailchimp_transactional')) delete require.cache[key]
    }
    const sdk = (require(path) as (key: string) => Sdk)('md-s3cr3t')
    axios.defaults.adapter = adapter
    sdk.basePath = provider.baseUrl
    return sdk
  }

  it('is not reached as it comes', async () => {
    const provider = await scene.globally(transactional, new FakeMailchimpTransactional('md-s3cr3t'))
    const sdk = load(adapter, provider)
    provider.faults = [{ instead: provider.error('GeneralError', 'later') }]
    await sdk.users.ping2()
    expect(provider.requests).toHaveLength(1)
  })

  it('is reached when axios fetches before it is loaded, and its key is not kept', async () => {
    const provider = await scene.globally(transactional, new FakeMailchimpTransactional('md-s3cr3t'))
    const sdk = load('fetch', provider)
    provider.faults = [{ instead: provider.error('GeneralError', 'later') }]
    expect(await sdk.users.ping2()).toEqual({ PING: 'PONG!' })
    expect(provider.requests).toHaveLength(2)
    provider.faults = [{ instead: provider.error('GeneralError', 'later') }]
    await sdk.messages.send({ message: { to: [{ email: 'ada@example.com' }] } })
    expect(provider.requests).toHaveLength(3)
    const [letter] = await scene.letters()
    const record = await scene.stack.deadLetters.get(letter?.id ?? '')
    expect(record).toMatchObject({ replayable: false, notReplayableReason: 'body-redacted' })
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
    const provider = await scene.globally(mailchimp, new FakeMailchimp('s3cr3t0key-us6'))
    const sdk = require('@mailchimp/mailchimp_marketing') as Sdk
    sdk.setConfig({ apiKey: 's3cr3t0key-us6', server: 'us6' })
    sdk.ping.apiClient.basePath = provider.baseUrl
    provider.faults = [{ instead: { status: 503 } }]
    await expect(sdk.ping.get()).rejects.toMatchObject({ status: 503 })
    expect(provider.requests).toHaveLength(1)
    expect(await scene.letters()).toEqual([])
  })
})

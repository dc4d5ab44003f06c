import { createRequire } from 'node:module'
import { type Dispatcher, getGlobalDispatcher, setGlobalDispatcher } from 'undici'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { memoryStore } from '../../../../src/index.ts'
import type { ProviderAgent, ProviderOptions } from '../../../../src/providers/hubspot.ts'
import { createAnthropicAgent } from '../../../../src/providers/presets/anthropic.ts'
import { createGitHubAgent } from '../../../../src/providers/presets/github.ts'
import { createOpenAIAgent } from '../../../../src/providers/presets/openai.ts'
import { createResendAgent } from '../../../../src/providers/presets/resend.ts'
import { createSlackAgent } from '../../../../src/providers/presets/slack.ts'
import { createStripeAgent } from '../../../../src/providers/presets/stripe.ts'
import { createTwilioAgent } from '../../../../src/providers/presets/twilio.ts'
import type { FakeProvider } from '../../../support/providers/fakes/fake-provider.ts'
import { FakeAnthropic } from '../../../support/providers/fakes/presets/fake-anthropic.ts'
import { FakeGitHub } from '../../../support/providers/fakes/presets/fake-github.ts'
import { FakeOpenAI } from '../../../support/providers/fakes/presets/fake-openai.ts'
import { FakeResend } from '../../../support/providers/fakes/presets/fake-resend.ts'
import { FakeSlack } from '../../../support/providers/fakes/presets/fake-slack.ts'
import { FakeStripe } from '../../../support/providers/fakes/presets/fake-stripe.ts'
import { FakeTwilio } from '../../../support/providers/fakes/presets/fake-twilio.ts'

/** These files are about what the SDKs do at run time: of their types only what is used here. */
const require = createRequire(import.meta.url)
type Fetch = typeof fetch
type Call = () => Promise<unknown>

interface Sdk {
  title: string
  fake(): FakeProvider
  agent(options: ProviderOptions): ProviderAgent
  /** The SDK on the Agent, its own retries off, and two calls: one that reads or only generates, one that creates. */
  make(fake: FakeProvider, through: Fetch, agent: ProviderAgent): Promise<{ read: Call; create: Call }>
  /** The SDK sets an idempotency key of its own, so that its creates are repeated, once done. */
  hasKeys?: true
}

const sdks: Sdk[] = [
  {
    title: 'stripe 23',
    fake: () => new FakeStripe('sk_live_1'),
    agent: createStripeAgent,
    hasKeys: true,
    make: async (fake, through) => {
      interface Stripe {
        customers: { list(): Promise<unknown>; create(fields: object, options: object): Promise<unknown> }
      }
      const Stripe = require('stripe') as (new (key: string, options: object) => Stripe) & {
        createFetchHttpClient(through: Fetch): unknown
      }
      const { hostname, port } = new URL(fake.origin)
      const stripe = new Stripe('sk_live_1', {
        httpClient: Stripe.createFetchHttpClient(through),
        maxNetworkRetries: 0,
        telemetry: false,
        protocol: 'http',
        host: hostname,
        port,
      })
      return {
        read: () => stripe.customers.list(),
        // with no retries of its own it sets no key: the caller does
        create: () => stripe.customers.create({ email: 'ada@example.com' }, { idempotencyKey: 'order-42' }),
      }
    },
  },
  {
    title: 'openai 7',
    fake: () => new FakeOpenAI('sk-proj-1'),
    agent: createOpenAIAgent,
    make: async (fake, _through, dispatcher) => {
      interface OpenAI {
        chat: { completions: { create(input: object): Promise<unknown> } }
        vectorStores: { create(input: object): Promise<unknown> }
      }
      const { OpenAI } = require('openai') as { OpenAI: new (options: object) => OpenAI }
      const openai = new OpenAI({
        apiKey: 'sk-proj-1',
        baseURL: fake.baseUrl,
        maxRetries: 0,
        fetchOptions: { dispatcher },
      })
      return {
        read: () => openai.chat.completions.create({ model: 'm', messages: [] }),
        create: () => openai.vectorStores.create({ name: 'ada' }),
      }
    },
  },
  {
    title: '@anthropic-ai/sdk 1',
    fake: () => new FakeAnthropic('sk-ant-1'),
    agent: createAnthropicAgent,
    make: async (fake, _through, dispatcher) => {
      interface Anthropic {
        messages: {
          create(input: object): Promise<unknown>
          batches: { create(input: object): Promise<unknown> }
        }
      }
      const { Anthropic } = require('@anthropic-ai/sdk') as { Anthropic: new (options: object) => Anthropic }
      const anthropic = new Anthropic({
        apiKey: 'sk-ant-1',
        baseURL: fake.baseUrl,
        maxRetries: 0,
        fetchOptions: { dispatcher },
      })
      return {
        read: () => anthropic.messages.create({ model: 'm', max_tokens: 1, messages: [] }),
        create: () => anthropic.messages.batches.create({ requests: [] }),
      }
    },
  },
  {
    title: '@slack/web-api 8',
    fake: () => new FakeSlack('xoxb-1'),
    agent: createSlackAgent,
    make: async (fake, through) => {
      interface Slack {
        conversations: { list(): Promise<unknown> }
        chat: { postMessage(message: object): Promise<unknown> }
      }
      const { WebClient } = require('@slack/web-api') as {
        WebClient: new (token: string, options: object) => Slack
      }
      const slack = new WebClient('xoxb-1', {
        slackApiUrl: `${fake.baseUrl}/`,
        fetch: through,
        retryConfig: { retries: 0 },
        rejectRateLimitedCalls: true,
      })
      return {
        read: () => slack.conversations.list(),
        create: () => slack.chat.postMessage({ channel: 'C1', text: 'ada' }),
      }
    },
  },
  {
    title: 'resend 6, on the global fetch',
    fake: () => new FakeResend('re_1'),
    agent: createResendAgent,
    hasKeys: true,
    make: async (fake, _through, agent) => {
      interface Resend {
        domains: { list(): Promise<{ error: unknown }> }
        emails: { send(mail: object, options: object): Promise<{ error: unknown }> }
      }
      const { Resend } = require('resend') as { Resend: new (key: string, options: object) => Resend }
      setGlobalDispatcher(agent)
      const resend = new Resend('re_1', { baseUrl: fake.baseUrl })
      // it does not throw: a refusal is in what its promise resolves to
      const thrown = async (answer: Promise<{ error: unknown }>) => {
        const { error } = await answer
        if (error !== null) throw new Error('refused', { cause: error })
      }
      const mail = { from: 'shop@example.com', to: 'ada@example.com', subject: 'Your order', text: 'x' }
      return {
        read: () => thrown(resend.domains.list()),
        create: () => thrown(resend.emails.send(mail, { idempotencyKey: 'order-42' })),
      }
    },
  },
  {
    title: 'twilio 6, with the fetch adapter of its axios',
    fake: () => new FakeTwilio('token'),
    agent: createTwilioAgent,
    make: async (fake, through) => {
      interface Messages {
        list(): Promise<unknown>
        create(message: object): Promise<unknown>
      }
      interface Twilio {
        messages: Messages
        api: { baseUrl: string }
      }
      interface HttpClient {
        axios: { defaults: { adapter: string; env: object } }
      }
      const twilio = require('twilio') as ((sid: string, token: string, options: object) => Twilio) & {
        RequestClient: new () => HttpClient
      }
      const httpClient = new twilio.RequestClient()
      httpClient.axios.defaults.adapter = 'fetch'
      httpClient.axios.defaults.env = { ...httpClient.axios.defaults.env, fetch: through }
      const client = twilio('AC1', 'token', { httpClient, autoRetry: false })
      client.api.baseUrl = fake.origin
      return {
        read: () => client.messages.list(),
        create: () => client.messages.create({ to: '+44', from: '+45', body: 'ada' }),
      }
    },
  },
  {
    title: '@octokit/core 7',
    fake: () => new FakeGitHub('ghp_1'),
    agent: createGitHubAgent,
    make: async (fake, through) => {
      interface Octokit {
        request(route: string, fields: object): Promise<unknown>
      }
      const { Octokit } = require('@octokit/core') as { Octokit: new (options: object) => Octokit }
      const octokit = new Octokit({ auth: 'ghp_1', baseUrl: fake.baseUrl, request: { fetch: through } })
      const at = { owner: 'o', repo: 'r' }
      return {
        read: () => octokit.request('GET /repos/{owner}/{repo}/issues', at),
        create: () => octokit.request('POST /repos/{owner}/{repo}/issues', { ...at, title: 'ada' }),
      }
    },
  },
]

let before: Dispatcher
beforeEach(() => {
  before = getGlobalDispatcher()
})
afterEach(() => setGlobalDispatcher(before))

describe.each(sdks)('$title through the Agent, its own retries off', (sdk) => {
  async function scene(play: (fake: FakeProvider, calls: { read: Call; create: Call }) => Promise<void>) {
    const fake = await sdk.fake().start()
    const store = memoryStore()
    const agent = sdk.agent({
      baseUrl: fake.baseUrl,
      store,
      retry: { initialBackoffMs: 1, jitter: 'none' },
      rateLimit: {},
    })
    const through: Fetch = (input, init) => fetch(input, { ...init, dispatcher: agent } as object)
    try {
      await play(fake, await sdk.make(fake, through, agent))
    } finally {
      await agent.close()
      await fake.close()
    }
    return (await store.deadLetters.list()).items
  }

  it('is reached: a limit is obeyed, and what reads rides out an outage', async () => {
    const letters = await scene(async (fake, { read }) => {
      fake.faults = [{ instead: fake.limited(50) }, { instead: { status: 503 } }]
      await read()
      expect(fake.requests).toHaveLength(3)
      expect(fake.early).toBe(0)
    })
    expect(letters).toEqual([])
  })

  it('creates once, whatever becomes of the answer', async () => {
    const letters = await scene(async (fake, { create }) => {
      fake.faults = [{ afterwards: { status: 503 } }]
      const outcome = await create().then(
        () => 'created',
        () => 'failed',
      )
      expect(fake.duplicates).toBe(0)
      expect(fake.created.size).toBe(1)
      expect(outcome).toBe(sdk.hasKeys === true ? 'created' : 'failed')
      expect(fake.requests).toHaveLength(sdk.hasKeys === true ? 2 : 1)
    })
    if (sdk.hasKeys === true) expect(letters).toEqual([])
    else expect(letters).toMatchObject([{ reason: 'not-repeatable', delivery: 'unknown' }])
  })
})

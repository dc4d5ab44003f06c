import { ProviderClient } from '../../../src/providers/kit/client/provider-client.ts'
import { anthropicProvider } from '../../../src/providers/presets/anthropic/agent.ts'
import { createAnthropicAgent, preset as anthropic } from '../../../src/providers/presets/anthropic.ts'
import { gitHubProvider } from '../../../src/providers/presets/github/agent.ts'
import { createGitHubAgent, preset as github } from '../../../src/providers/presets/github.ts'
import { openAIProvider } from '../../../src/providers/presets/openai/agent.ts'
import { createOpenAIAgent, preset as openai } from '../../../src/providers/presets/openai.ts'
import { resendProvider } from '../../../src/providers/presets/resend/agent.ts'
import { createResendAgent, preset as resend } from '../../../src/providers/presets/resend.ts'
import { slackProvider } from '../../../src/providers/presets/slack/agent.ts'
import { createSlackAgent, preset as slack } from '../../../src/providers/presets/slack.ts'
import { stripeProvider } from '../../../src/providers/presets/stripe/agent.ts'
import { createStripeAgent, preset as stripe } from '../../../src/providers/presets/stripe.ts'
import { twilioProvider } from '../../../src/providers/presets/twilio/agent.ts'
import { createTwilioAgent, preset as twilio } from '../../../src/providers/presets/twilio.ts'
import { FakeAnthropic } from './fakes/presets/fake-anthropic.ts'
import { FakeGitHub } from './fakes/presets/fake-github.ts'
import { FakeOpenAI } from './fakes/presets/fake-openai.ts'
import { FakeResend } from './fakes/presets/fake-resend.ts'
import { FakeSlack } from './fakes/presets/fake-slack.ts'
import { FakeStripe } from './fakes/presets/fake-stripe.ts'
import { FakeTwilio } from './fakes/presets/fake-twilio.ts'
import { type CaseOf, type ProviderCase, providerCase } from './provider-case.ts'

const outage = { status: 503, headers: { 'content-type': 'text/html' }, body: '<h1>Service Unavailable</h1>' }
const basic = (user: string, password: string) => Buffer.from(`${user}:${password}`).toString('base64')
const stripeKey = 'sk_live_stripesecret41'
const openaiKey = 'sk-proj-openaisecret90'
const anthropicKey = 'sk-ant-anthropicsecret7'
const slackToken = 'xoxb-slacksecret-55'
const resendKey = 're_resendsecret_12'
const twilioToken = 'twiliosecret88f1'
const githubToken = 'ghp_githubsecret3a'

type Headers = Record<string, string>
const bearer = (token: string): Headers => ({ authorization: `Bearer ${token}` })

/**
 * A preset without a client, driven by what the clients have in common: so the contract of all providers is run with its Agent.
 */
function driven(
  provider: ConstructorParameters<typeof ProviderClient>[0],
  good: Headers,
  bad: Headers,
): Pick<CaseOf<never, ProviderClient>, 'client' | 'stranger'> {
  return {
    client: (options) => new ProviderClient(provider, options, () => good),
    stranger: (options) => new ProviderClient(provider, options, () => bad),
  }
}

const post = (client: ProviderClient, path: string, body: object) =>
  client.request(path, { method: 'POST', body: JSON.stringify(body) })

/** The presets without a client; each has to pass test/support/providers/contract.ts too. */
export const presetCases: ProviderCase[] = [
  providerCase({
    integration: 'stripe',
    title: 'Stripe',
    preset: stripe,
    secrets: [stripeKey],
    fake: () => new FakeStripe(stripeKey),
    ...driven(stripeProvider, bearer(stripeKey), bearer('sk_live_wrong')),
    agent: createStripeAgent,
    limit: { max: 2, windowMs: 100 },
    read: (client, tag) => client.request(`/v1/customers?email=${tag}`),
    create: (client, tag) => post(client, '/v1/customers', { email: `${tag}@example.com` }),
    outage,
    refused: (client) => post(client, '/v1/customers', { email: 'nobody' }),
    refusal: {
      statusCode: 400,
      providerCode: 'email_invalid',
      message: /Invalid email address/,
      requestId: /^req_/,
    },
  }),
  providerCase({
    integration: 'openai',
    title: 'OpenAI',
    preset: openai,
    secrets: [openaiKey],
    fake: () => new FakeOpenAI(openaiKey),
    ...driven(openAIProvider, bearer(openaiKey), bearer('sk-proj-wrong')),
    agent: createOpenAIAgent,
    limit: { max: 2, windowMs: 200 },
    read: (client, tag) => post(client, '/chat/completions', { model: 'm', messages: [tag] }),
    create: (client, tag) => post(client, '/vector_stores', { name: tag }),
    outage,
    refused: (client) => post(client, '/chat/completions', {}),
    refusal: {
      statusCode: 400,
      providerCode: 'invalid_request',
      message: /model parameter/,
      requestId: /^oai-/,
    },
  }),
  providerCase({
    integration: 'anthropic',
    title: 'Anthropic',
    preset: anthropic,
    secrets: [anthropicKey],
    fake: () => new FakeAnthropic(anthropicKey),
    ...driven(anthropicProvider, { 'x-api-key': anthropicKey }, { 'x-api-key': 'sk-ant-wrong' }),
    agent: createAnthropicAgent,
    limit: { max: 2, windowMs: 200 },
    read: (client, tag) => post(client, '/v1/messages', { model: 'm', messages: [tag] }),
    create: (client, tag) => post(client, '/v1/messages/batches', { requests: [tag] }),
    outage,
    refused: (client) => post(client, '/v1/messages', {}),
    refusal: {
      statusCode: 400,
      providerCode: 'invalid_request_error',
      message: /Field required/,
      requestId: /^req_/,
    },
    quota: (fake) => fake.spent(),
  }),
  providerCase({
    integration: 'slack',
    title: 'Slack',
    preset: slack,
    secrets: [slackToken],
    fake: () => new FakeSlack(slackToken),
    ...driven(slackProvider, bearer(slackToken), bearer('xoxb-wrong')),
    agent: createSlackAgent,
    limit: { max: 2, windowMs: 200 },
    read: (client, tag) => client.request(`/conversations.list?cursor=${tag}`),
    create: (client, tag) => post(client, '/chat.postMessage', { channel: 'C1', text: tag }),
    outage,
    refused: (client) => client.request('/no.page'),
    refusal: { statusCode: 404, message: /answered 404/ },
    answersWith200: true,
  }),
  providerCase({
    integration: 'resend',
    title: 'Resend',
    preset: resend,
    secrets: [resendKey],
    fake: () => new FakeResend(resendKey),
    ...driven(resendProvider, bearer(resendKey), bearer('re_wrong')),
    agent: createResendAgent,
    limit: { max: 2, windowMs: 200 },
    read: (client, tag) => client.request(`/domains?tag=${tag}`),
    create: (client, tag) =>
      post(client, '/emails', { from: 'shop@example.com', to: `${tag}@example.com`, subject: 'Your order' }),
    outage,
    refused: (client) => post(client, '/emails', { subject: 'nobody' }),
    refusal: { statusCode: 422, providerCode: 'missing_required_field', message: /Missing `to` field/ },
    quota: (fake) => fake.daily(),
  }),
  providerCase({
    integration: 'twilio',
    title: 'Twilio',
    preset: twilio,
    secrets: [twilioToken, basic('AC1', twilioToken)],
    fake: () => new FakeTwilio(twilioToken),
    ...driven(
      twilioProvider,
      { authorization: `Basic ${basic('AC1', twilioToken)}` },
      { authorization: `Basic ${basic('AC1', 'wrong')}` },
    ),
    agent: createTwilioAgent,
    limit: { max: 2, windowMs: 200 },
    read: (client, tag) => client.request(`Messages.json?tag=${tag}`),
    create: (client, tag) => sendMessage(client, { To: '+44', Body: tag }),
    outage,
    refused: (client) => sendMessage(client, { Body: 'nobody' }),
    refusal: {
      statusCode: 400,
      providerCode: '21604',
      message: /phone number is required/,
      requestId: /^RQ/,
    },
  }),
  providerCase({
    integration: 'github',
    title: 'GitHub',
    preset: github,
    secrets: [githubToken],
    fake: () => new FakeGitHub(githubToken),
    ...driven(gitHubProvider, bearer(githubToken), bearer('ghp_wrong')),
    agent: createGitHubAgent,
    limit: { max: 2, windowMs: 200 },
    read: (client, tag) => client.request(`/repos/o/r/issues?labels=${tag}`),
    create: (client, tag) => post(client, '/repos/o/r/issues', { title: tag }),
    outage,
    refused: (client) => client.request('/repos/o/private/issues'),
    refusal: { statusCode: 403, message: /not accessible by integration/, requestId: /^gh-/ },
  }),
]

function sendMessage(client: ProviderClient, fields: Record<string, string>): Promise<Response> {
  return client.request('Messages.json', {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: String(new URLSearchParams(fields)),
  })
}

import { AsyncLocalStorage } from 'node:async_hooks'
import { fetch, request } from 'undici'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createSlackAgent, type ProviderAgent } from '../../../src/providers/presets/slack.ts'
import { departuresTo } from '../../support/calls/departures.ts'
import { FakeSlack } from '../../support/providers/fakes/presets/fake-slack.ts'

let fake: FakeSlack
let departures: ReturnType<typeof departuresTo>
beforeEach(async () => {
  fake = await new FakeSlack('xoxb-1').start()
  departures = departuresTo(() => fake.origin)
})
afterEach(async () => {
  departures.stop()
  await fake.close()
})

const message = (channel: string, text: string) => ({
  method: 'POST' as const,
  headers: { authorization: 'Bearer xoxb-1', 'content-type': 'application/json' },
  body: JSON.stringify({ channel, text }),
})
const three = [1, 2, 3]

describe('messages to channels of Slack', () => {
  it('leave one a second and channel where the body can be read: three at once to each of two', async () => {
    const slack = createSlackAgent({ baseUrl: fake.baseUrl })
    await post(slack, async (channel, text) => {
      const url = `${fake.baseUrl}/chat.postMessage`
      const { body } = await request(url, { ...message(channel, text), dispatcher: slack })
      await body.dump()
    })
    expectPaced()
  })

  it('leave so too where fetch hides the body, and the caller says the channel', async () => {
    const channelNow = new AsyncLocalStorage<string>()
    const slack = createSlackAgent({
      baseUrl: fake.baseUrl,
      rateLimit: {
        key: ({ origin, path }) => `${origin}${path}/${channelNow.getStore() ?? ''}`,
        limits: [{ limit: 1, intervalMs: 1_000, cost: () => (channelNow.getStore() === undefined ? 0 : 1) }],
      },
    })
    await post(slack, (channel, text) => channelNow.run(channel, () => byFetch(slack, channel, text)))
    expectPaced()
  })

  it('wait for none where fetch hides the body: the limit is heard of by its 429, which stops all of the method', async () => {
    const slack = createSlackAgent({ baseUrl: fake.baseUrl, retry: { maxRetryAfterMs: 1 } })
    await byFetch(slack, 'C1', 'warm')
    fake.faults = [{ instead: fake.limited(30_000) }]
    await byFetch(slack, 'C1', 'refused')
    const { key, retryAfterMs } = slack.limits.list()[0]!
    expect(key).toMatch(/\/api\/chat\.postMessage$/)
    expect(retryAfterMs).toBeGreaterThan(20_000)
    expect(departures.at).toHaveLength(2)
    await slack.close()
  })
})

async function byFetch(slack: ProviderAgent, channel: string, text: string): Promise<void> {
  const url = `${fake.baseUrl}/chat.postMessage`
  const answer = await fetch(url, { ...message(channel, text), dispatcher: slack })
  await answer.text()
}

async function post(
  slack: ProviderAgent,
  one: (channel: string, text: string) => Promise<unknown>,
): Promise<void> {
  await Promise.all(['C1', 'C2'].flatMap((channel) => three.map((n) => one(channel, `${channel} ${n}`))))
  expect(slack.limits.list().map(({ used }) => used > 0)).toEqual([true, true])
  await slack.close()
}

/** Two at once, one of each channel, and a second later the next two. */
function expectPaced(): void {
  expect(fake.limitsSent).toBe(0)
  expect(departures.at).toHaveLength(6)
  for (const [at, left] of departures.at.entries()) {
    const next = departures.at[at + 2]
    if (next !== undefined) expect(next - left).toBeGreaterThanOrEqual(1_000)
  }
  const channels = fake.requests.map(({ json }) => json['channel'])
  expect(channels.sort()).toEqual(['C1', 'C1', 'C1', 'C2', 'C2', 'C2'])
}

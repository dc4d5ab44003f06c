import { setTimeout as sleep } from 'node:timers/promises'
import { fetch as npmFetch, request } from 'undici'
import { describe, expect, it, vi } from 'vitest'
import type { ProviderOptions } from '../../../src/providers/hubspot.ts'
import type { Evidence } from './evidence.ts'
import type { ProviderCase } from './provider-case.ts'
import { type Scene, scene, type Tally } from './scene.ts'

/**
 * What every provider has to hold, whatever its rules: the template for a new one. It runs against the provider's fake,
 * with the preset's values except for waits of our own.
 */
export function providerContract(one: ProviderCase, evidence: Evidence, tally: Tally): void {
  const play = (
    title: string,
    options: ProviderOptions & { stranger?: boolean },
    run: (scene: Scene) => Promise<void>,
  ) => it.concurrent(title, () => scene(one, evidence, tally, options, run))

  describe.concurrent(one.title, () => {
    play('gives answers, and creates once', {}, async ({ fake, client, letters }) => {
      await one.read(client, 'a')
      await one.create(client, 'ada')
      expect([...fake.created.values()]).toEqual([1])
      expect(fake.requests).toHaveLength(2)
      expect(await letters()).toEqual([])
    })

    play(
      'obeys the limit: every call comes through, and none comes back early',
      {},
      async ({ fake, client }) => {
        fake.limit = one.limit
        await Promise.all(['a', 'b', 'c', 'd'].map((tag) => one.read(client, tag)))
        expect(fake.limitsSent).toBeGreaterThan(0)
        expect(fake.early).toBe(0)
      },
    )

    play(
      'sends a create again that the limit refused, since nothing was done',
      {},
      async ({ fake, client }) => {
        fake.faults = [{ instead: fake.limited(100) }]
        await one.create(client, 'ada')
        expect(fake.requests).toHaveLength(2)
        expect([...fake.created.values()]).toEqual([1])
        expect(fake.early).toBe(0)
      },
    )

    play('rides out an outage with what may be repeated', {}, async ({ fake, client, letters }) => {
      fake.faults = [{ instead: one.outage }, { instead: one.outage }]
      await one.read(client, 'a')
      expect(fake.requests).toHaveLength(3)
      expect(await letters()).toEqual([])
    })

    play(
      'does not repeat a create after a 5xx: it may have been done',
      {},
      async ({ fake, client, failure, letters }) => {
        fake.faults = [{ afterwards: one.outage }]
        const error = await failure(one.create(client, 'ada'))
        expect(error).toMatchObject({
          name: 'IntegrationError',
          code: 'ERR_HTTP_STATUS',
          statusCode: 503,
          attempts: 1,
        })
        expect(await letters()).toMatchObject([
          {
            id: error['deadLetterId'],
            integration: one.integration,
            reason: 'not-repeatable',
            delivery: 'unknown',
            replayable: true,
          },
        ])
        expect(fake.requests).toHaveLength(1)
      },
    )

    const impatient = { attemptTimeoutMs: 1_500 }
    play(
      'does not repeat a create that is never answered',
      impatient,
      async ({ fake, client, failure, letters }) => {
        fake.faults = [{ afterwards: 'silence' }]
        const error = await failure(one.create(client, 'ada'))
        expect(error).toMatchObject({ name: 'RequestTimeoutError', scope: 'attempt', attempts: 1 })
        // longer than any backoff of this test: a second create would have come by now
        await sleep(400)
        expect([...fake.created.values()]).toEqual([1])
        expect(fake.requests).toHaveLength(1)
        expect(await letters()).toMatchObject([
          {
            id: error['deadLetterId'],
            reason: 'not-repeatable',
            delivery: 'unknown',
            retryCount: 0,
            replayable: true,
          },
        ])
      },
    )

    play(
      'does not repeat a create whose connection broke',
      {},
      async ({ fake, client, failure, letters }) => {
        fake.faults = [{ afterwards: 'reset' }]
        const error = await failure(one.create(client, 'ada'))
        expect(error).toMatchObject({ name: 'IntegrationError', code: 'ERR_NETWORK', attempts: 1 })
        await sleep(400)
        expect([...fake.created.values()]).toEqual([1])
        expect(await letters()).toMatchObject([{ reason: 'not-repeatable', delivery: 'unknown' }])
      },
    )

    play('repeats a read that is never answered', { attemptTimeoutMs: 1_500 }, async ({ fake, client }) => {
      fake.faults = [{ afterwards: 'silence' }]
      await one.read(client, 'a')
      expect(fake.requests).toHaveLength(2)
    })

    play(
      'ends a call that would wait for an hour, and says when to come back',
      {},
      async ({ fake, client, failure, letters }) => {
        const refusal = fake.limited(100)
        fake.faults = [{ instead: { ...refusal, headers: { ...refusal.headers, 'retry-after': '3600' } } }]
        const before = Date.now()
        const error = await failure(one.read(client, 'a'))
        expect(error).toMatchObject({ name: 'RateLimitError', attempts: 1 })
        const [letter] = await letters()
        expect(letter).toMatchObject({ reason: 'rate-limited', delivery: 'responded' })
        expect(letter?.notBefore).toBeGreaterThanOrEqual(before + 3_600_000)
        expect(fake.requests).toHaveLength(1)
      },
    )

    if (one.quota !== undefined) {
      const quota = one.quota.bind(one)
      play(
        'keeps what a used-up quota refused until there is a new one',
        {},
        async ({ fake, client, failure, letters }) => {
          fake.faults = [{ instead: quota(fake) }]
          const before = Date.now()
          const error = await failure(one.create(client, 'ada'))
          expect(error).toMatchObject({
            name: 'RateLimitError',
            attempts: 1,
            deadLetterId: expect.any(String) as string,
          })
          expect(error['retryAfterMs']).toBeGreaterThan(0)
          const [letter] = await letters()
          expect(letter).toMatchObject({ reason: 'rate-limited', delivery: 'responded', replayable: true })
          expect(letter?.notBefore).toBeGreaterThan(before)
          expect(letter?.dueAt).toBe(letter?.notBefore)
          expect(fake.requests).toHaveLength(1)
          expect(fake.created.size).toBe(0)
        },
      )
    }

    play(
      'gives up at once on what the provider refuses for good, in its words',
      {},
      async ({ fake, client, failure, letters }) => {
        const error = await failure(one.refused(client))
        const { statusCode, providerCode, message, requestId } = one.refusal
        expect(error).toMatchObject({
          name: 'IntegrationError',
          code: 'ERR_HTTP_STATUS',
          integration: one.integration,
          statusCode,
          attempts: 1,
        })
        expect(error['providerCode']).toBe(providerCode)
        expect(error.message).toMatch(message)
        if (requestId !== undefined) expect(error['requestId']).toMatch(requestId)
        expect(fake.requests).toHaveLength(1)
        expect(await letters()).toEqual([])
      },
    )

    if (one.answersWith200 !== true) {
      play(
        'gives up at once on a credential that is not known',
        { stranger: true },
        async ({ fake, client, failure, letters }) => {
          const error = await failure(one.read(client, 'a'))
          expect(error).toMatchObject({ name: 'IntegrationError', attempts: 1 })
          expect(fake.requests).toHaveLength(1)
          expect(await letters()).toEqual([])
        },
      )
    }

    const alert = {
      retry: false,
      circuitBreaker: { failureThreshold: 3, timeoutMs: 60_000, maxWaitMs: 0 },
    } as const
    play(
      'opens the circuit in an outage, and then bothers nobody',
      alert,
      async ({ fake, client, failure }) => {
        fake.faults = [0, 1, 2].map(() => ({ instead: one.outage }))
        for (const tag of ['a', 'b', 'c']) await failure(one.read(client, tag))
        expect(client.circuits.list()).toMatchObject([{ state: 'open' }])
        const error = await failure(one.create(client, 'ada'))
        expect(error).toMatchObject({ name: 'CircuitBreakerOpenError', attempts: 0 })
        expect(fake.requests).toHaveLength(3)
      },
    )

    play('does not open the circuit for limits and refusals', alert, async ({ fake, client, failure }) => {
      fake.faults = [0, 1, 2, 3].map(() => ({ instead: fake.limited(1) }))
      for (const tag of ['a', 'b', 'c', 'd']) await failure(one.read(client, tag))
      for (let call = 0; call < 4; call++) await failure(one.refused(client))
      expect(client.circuits.list()).toMatchObject([{ state: 'closed', failures: 0 }])
    })

    play(
      'leaves a create in doubt to a person, then sends it with credentials that the record does not hold',
      {},
      async ({ fake, client, failure }) => {
        fake.faults = [{ instead: one.outage }]
        const error = await failure(one.create(client, 'ada'))
        const id = error['deadLetterId'] as string
        await vi.waitFor(async () => expect(await client.deadLetters.get(id)).toBeDefined(), {
          timeout: 10_000,
        })
        // a provider may have said when it wants to hear from us again
        await vi.waitFor(async () => expect(await client.replay()).toMatchObject({ sent: 0, inDoubt: 1 }), {
          timeout: 10_000,
          interval: 100,
        })
        expect(fake.created.size).toBe(0)
        expect(await client.replay({ ids: [id] })).toMatchObject({ sent: 1, done: 1 })
        expect([...fake.created.values()]).toEqual([1])
        expect(await client.deadLetters.get(id)).toBeUndefined()
      },
    )

    play(
      'refuses to go to another origin, before anything is sent',
      {},
      async ({ fake, client, failure, letters }) => {
        const other = fake.origin.replace('127.0.0.1', 'localhost')
        const expected = { name: 'IntegrationError', attempts: 0, message: `only, got a request to ${other}` }
        const error = await failure(client.request(`${other}/steal`))
        expect(error).toMatchObject({
          ...expected,
          message: expect.stringContaining(expected.message) as string,
        })
        await expect(fetch(`${other}/steal`, { dispatcher: client.agent } as never)).rejects.toMatchObject({
          cause: { message: expect.stringContaining(expected.message) as string },
        })
        await expect(npmFetch(`${other}/steal`, { dispatcher: client.agent })).rejects.toMatchObject({
          cause: { message: expect.stringContaining(expected.message) as string },
        })
        await expect(request(`${other}/steal`, { dispatcher: client.agent })).rejects.toThrow(
          expected.message,
        )
        expect(fake.requests).toEqual([])
        expect(await letters()).toEqual([])
        expect(client.circuits.list()).toEqual([])
      },
    )

    it('has an Agent for its own origin alone', async () => {
      const agent = one.agent({})
      await expect(request('http://127.0.0.1:9/', { dispatcher: agent })).rejects.toThrow(
        /^this Agent is for /,
      )
      expect(agent.integration).toBe(one.integration)
      await agent.close()
    })
  })
}

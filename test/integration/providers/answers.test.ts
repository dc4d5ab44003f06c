import { afterAll, describe, expect, it } from 'vitest'
import { memoryStore } from '../../../src/index.ts'
import { answers, json } from '../../support/providers/answers.ts'
import { cases } from '../../support/providers/cases.ts'
import { presetCases } from '../../support/providers/preset-cases.ts'

const all = [...cases, ...presetCases]
const table: Record<string, string | number>[] = []
afterAll(() => console.table(table))

describe('an answer that says another thing than its status', () => {
  it.each(answers)('$integration: $what: $then', async (row) => {
    const one = all.find(({ integration }) => integration === row.integration)!
    const fake = await one.fake().start()
    const store = memoryStore()
    const client = one.client({
      baseUrl: fake.baseUrl,
      store,
      // no wait of the provider is waited out here: the letter says when it would be over
      retry: { initialBackoffMs: 1, jitter: 'none', maxRetryAfterMs: row.due === undefined ? 5_000 : 1 },
    })
    const answer = row.answer(fake)
    fake.faults = [row.done === true ? { afterwards: answer } : { instead: answer }]
    const now = Date.now()
    let failed = false
    try {
      await one[row.act](client, 'ada').catch(() => {
        failed = true
      })
      await client.close()
      const [letter] = (await store.deadLetters.list()).items
      const then =
        letter === undefined ? (failed ? 'final' : 'answered') : `${letter.reason}, ${letter.delivery}`
      const dueS = letter?.notBefore === undefined ? undefined : Math.round((letter.notBefore - now) / 1000)
      table.push({
        provider: one.title,
        answer: row.what,
        then,
        requests: fake.requests.length,
        'due in s': dueS ?? '',
      })
      expect({ then, requests: fake.requests.length }).toEqual({ then: row.then, requests: row.requests })
      const due = typeof row.due === 'function' ? (row.due(now) - now) / 1000 : row.due
      if (due === undefined) expect(dueS).toBeUndefined()
      else expect(Math.abs((dueS ?? 0) - due)).toBeLessThanOrEqual(3)
      expect(fake.duplicates).toBe(0)
    } finally {
      await client.close()
      await fake.close()
    }
  })
})

describe('a conflict of keys', () => {
  const keyed = ['stripe', 'resend'] as const
  it.each(keyed)(
    'at %s after our own unanswered attempt is "not yet", and done once',
    async (integration) => {
      const one = all.find((other) => other.integration === integration)!
      const fake = await one.fake().start()
      const client = one.client({
        baseUrl: fake.baseUrl,
        attemptTimeoutMs: 1_500,
        retry: { initialBackoffMs: 1, jitter: 'none' },
      })
      const body = JSON.stringify({ email: 'ada@example.com', to: 'ada@example.com' })
      const conflict = json(409, { error: { code: 'idempotency_key_in_use' }, name: 'concurrent_requests' })
      fake.faults = [{ afterwards: 'silence' }, { instead: conflict }]
      try {
        const path = integration === 'stripe' ? '/v1/customers' : '/emails'
        const response = await client.request(path, {
          method: 'POST',
          headers: { 'idempotency-key': 'order-42' },
          body,
        })
        expect(response.status).toBe(200)
        expect(fake.requests).toHaveLength(3)
        expect([...fake.created.values()]).toEqual([1])
      } finally {
        await client.close()
        await fake.close()
      }
    },
  )
})

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { providerContract } from './contract.ts'
import { Evidence } from './evidence.ts'
import type { ProviderCase } from './provider-case.ts'
import { newTally } from './scene.ts'

/** Runs the contract of all providers for these, prints what it added up to, and looks for their credentials. */
export function runContract(cases: readonly ProviderCase[]): void {
  const evidence = new Evidence()
  const tallies = cases.map((one) => ({ one, tally: newTally() }))

  let unlisten: () => void
  beforeAll(() => {
    unlisten = evidence.listen()
  })
  afterAll(() => {
    unlisten()
    console.table(
      Object.fromEntries(
        tallies.map(({ one, tally }) => [
          one.title,
          {
            requests: tally.requests,
            calls: tally.requests - tally.retries,
            '429s': tally.limits,
            'back early': tally.early,
            retries: tally.retries,
            'dead letters': tally.deadLetters,
            duplicates: tally.duplicates,
            ms: Math.round(tally.to - tally.from),
          },
        ]),
      ),
    )
  })

  for (const { one, tally } of tallies) providerContract(one, evidence, tally)

  describe('after the whole suite', () => {
    it.each(tallies.map(({ one, tally }) => [one.title, tally] as const))(
      '%s got nothing twice and nothing early',
      (_title, tally) => {
        expect(tally).toMatchObject({ duplicates: 0, early: 0 })
        expect(tally.limits).toBeGreaterThan(0)
        expect(tally.retries).toBeGreaterThan(0)
        expect(tally.deadLetters).toBeGreaterThan(0)
      },
    )

    it('no credential is in any log, event, error or record', () => {
      expect(evidence.size).toBeGreaterThan(100)
      const secrets = cases.flatMap((one) => one.secrets)
      expect(evidence.holding(secrets)).toEqual([])
    })

    it('the search for credentials finds what it is to find', () => {
      const planted = new Evidence()
      const [secret = ''] = cases[0]?.secrets ?? []
      planted.add({ error: new Error('x', { cause: { deep: [{ headers: `Bearer ${secret}` }] } }) })
      planted.add(Buffer.from(secret).toString('base64'))
      planted.logger().warn({ err: new Error(secret) }, 'failed')
      planted.add('nothing')
      expect(planted.holding([secret])).toHaveLength(3)
    })
  })
}

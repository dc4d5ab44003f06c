import { expect, it } from 'vitest'
import { checkClaim } from '../../../../src/dead-letter/store/claim-options.ts'

it('a claim without more is one of what is due, with no limit of replays and no delay', () => {
  expect(checkClaim({ limit: 5, leaseMs: 100 })).toEqual({
    limit: 5,
    leaseMs: 100,
    maxReplays: Infinity,
    lapseDelayMs: 0,
    filter: undefined,
    ids: undefined,
    transfer: false,
  })
  expect(checkClaim({ limit: 5, leaseMs: 100, purpose: 'transfer' }).transfer).toBe(true)
})

it.each([
  [{ limit: 1001 }, '`limit` must be an integer >= 1 and <= 1000, got 1001'],
  [{ leaseMs: 0.5 }, '`leaseMs` must be an integer >= 1 and'],
  [{ maxReplays: 0 }, '`maxReplays` must be an integer >= 1, got 0'],
  [{ lapseDelayMs: -1 }, '`lapseDelayMs` must be an integer >= 0'],
  [{ filter: { code: 503 } }, '`filter.code` must be'],
  [{ ids: 'x' }, '`ids` must be'],
  [{ purpose: 'move' }, '`purpose` must be'],
  [{ lease: 1 }, '`lease`'],
])('a claim with %j is refused by name', (changes, message) => {
  expect(() => checkClaim({ limit: 1, leaseMs: 1, ...changes } as never)).toThrow(message)
})

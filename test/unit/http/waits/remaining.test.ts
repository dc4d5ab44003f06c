import { expect, it } from 'vitest'
import { remainingNames, structuredRemaining } from '../../../../src/http/waits/remaining.ts'

it.each([
  [
    { 'x-ratelimit-limit': '100', 'x-ratelimit-remaining': '40' },
    'x-ratelimit-remaining',
    'x-ratelimit-limit',
  ],
  [{ 'x-ratelimit-remaining': '40' }, 'x-ratelimit-remaining', undefined],
  [
    { 'x-hubspot-ratelimit-max': '100', 'x-hubspot-ratelimit-remaining': '4' },
    'x-hubspot-ratelimit-remaining',
    'x-hubspot-ratelimit-max',
  ],
  [
    { 'x-ratelimit-limit-tokens': '9', 'x-ratelimit-remaining-tokens': '4' },
    'x-ratelimit-remaining-tokens',
    'x-ratelimit-limit-tokens',
  ],
  [
    { 'anthropic-ratelimit-requests-limit': '9', 'anthropic-ratelimit-requests-remaining': '4' },
    'anthropic-ratelimit-requests-remaining',
    'anthropic-ratelimit-requests-limit',
  ],
])('finds what is left in %o', (headers, remaining, limit) => {
  expect(remainingNames(headers)).toEqual([{ remaining, limit }])
})

it.each([
  ['"burst";r=50;t=30', '"burst";q=100;w=60', [{ remaining: 50, limit: 100 }]],
  ['"burst";r=50', undefined, [{ remaining: 50, limit: undefined }]],
  [
    '"a";r=1, "b";r=2',
    '"b";q=20, "a";q=10',
    [
      { remaining: 1, limit: 10 },
      { remaining: 2, limit: 20 },
    ],
  ],
  ['"burst;r=50', undefined, []],
  ['"burst";r=-3;t=x', undefined, []],
])('reads the RateLimit field %s with the policy %s', (field, policy, left) => {
  expect([...structuredRemaining({ ratelimit: field, 'ratelimit-policy': policy } as never)]).toEqual(left)
})

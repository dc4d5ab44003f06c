import { describe, expect, it } from 'vitest'
import { isDispensable, isKeptHeader } from '../../../../src/dead-letter/record/kept-headers.ts'
import { redactHeaders } from '../../../../src/dead-letter/record/redaction/headers.ts'
import { defaultRules } from '../../../../src/dead-letter/record/redaction/rules.ts'

/** What these SDKs send with a call beside credentials and what belongs to the connection. */
const sentBySdks: Record<string, readonly string[]> = {
  openai: [
    'accept',
    'content-type',
    'user-agent',
    'x-stainless-lang',
    'x-stainless-package-version',
    'x-stainless-os',
    'x-stainless-arch',
    'x-stainless-runtime',
    'x-stainless-runtime-version',
    'x-stainless-retry-count',
    'x-stainless-timeout',
    'x-stainless-helper-method',
    'openai-organization',
    'openai-project',
    'openai-beta',
  ],
  anthropic: ['anthropic-version', 'anthropic-beta', 'anthropic-dangerous-direct-browser-access'],
  supabase: ['content-profile', 'accept-profile', 'prefer', 'x-client-info'],
  notion: ['notion-version'],
  stripe: [
    'stripe-version',
    'stripe-account',
    'stripe-context',
    'x-stripe-client-user-agent',
    'idempotency-key',
  ],
  meilisearch: ['x-meilisearch-client'],
  octokit: ['x-github-api-version'],
  fetch: ['cache-control', 'pragma', 'priority', 'accept-language'],
}

describe('headers of SDKs', () => {
  it.each(Object.entries(sentBySdks))('of %s are kept, so that a replay has them', (_sdk, names) => {
    const { kept, omitted } = redactHeaders(
      names.map((name) => [name, 'v'] as const),
      defaultRules,
    )
    expect(Object.keys(kept).sort()).toEqual([...names].sort())
    expect(omitted).toEqual([])
  })

  it.each(['x-stainless-api-key', 'x-secret-version', 'token-version', 'password-beta'])(
    'a name that tells of a secret is not kept, whatever list it is like: %s',
    (name) => {
      expect(redactHeaders([[name, 'v']], defaultRules)).toMatchObject({ kept: {}, omitted: [name] })
    },
  )

  it.each(['x-tenant', 'x-account', 'referer', 'origin', 'diversion', 'x-stainless-', 'x-versions'])(
    'others are not: %s',
    (name) => {
      expect(isKeptHeader(name)).toBe(false)
      expect(isDispensable(name)).toBe(false)
    },
  )

  it.each(['baggage', 'b3', 'x-b3-traceid', 'sentry-trace', 'x-datadog-trace-id', 'x-amzn-trace-id'])(
    'of a trace are neither kept nor missed: %s',
    (name) => {
      expect(isKeptHeader(name)).toBe(false)
      expect(isDispensable(name)).toBe(true)
    },
  )
})

import { describe, expect, it } from 'vitest'
import { agentOptions } from '../../../src/providers/kit/agent/provider.ts'
import { preset } from '../../../src/providers/mailchimp.ts'

describe('the Agent of a provider', () => {
  it('has at most one request per connection: HTTP/2 would put a hundred on each', () => {
    expect(agentOptions(8, preset)).toMatchObject({ connections: 8, pipelining: 1, allowH2: false })
  })

  it("waits for headers longer than the preset's attempt timeout, which is to end an attempt", () => {
    expect(agentOptions(8, preset).headersTimeout).toBeGreaterThan(preset.attemptTimeoutMs)
  })
})

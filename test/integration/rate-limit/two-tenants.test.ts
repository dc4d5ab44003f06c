import { Agent } from 'undici'
import { afterAll, beforeAll, test } from 'vitest'
import { channels, resilience } from '../../../src/index.ts'
import { type Provider, startProvider } from '../../support/calls/provider.ts'
import { checkTwoTenants, tenantSenders } from '../../support/calls/two-tenants.ts'

let provider: Provider

beforeAll(async () => {
  provider = await startProvider()
})
afterAll(() => provider.close())

test.each(tenantSenders)(
  'a retry on a connection that another tenant opened happens in the context of its own call: %s',
  async (sender) => {
    await checkTwoTenants(sender, provider, { Agent, resilience, channels })
  },
)

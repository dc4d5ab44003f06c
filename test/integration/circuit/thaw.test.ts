import { it } from 'vitest'
import { startProvider } from '../../support/calls/provider.ts'
import { checkThaw } from '../../support/processes/thaw.ts'

it('a process that was stopped first reads the answers that came meanwhile, and declares no timeout', async () => {
  const provider = await startProvider()
  const register = new URL('../../support/register.ts', import.meta.url).href
  const source = new URL('../../../src/index.ts', import.meta.url).href
  await checkThaw(provider, source, ['--import', register])
  await provider.close()
})

import * as undici from 'undici'
import { beforeAll, describe, expect, test } from 'vitest'
import { deadLetter, resilience } from '../../../src/index.ts'
import { checkScenario } from '../../support/certainty/check.ts'
import { scenarios } from '../../support/certainty/scenarios.ts'
import { mocked, type Stage } from '../../support/certainty/servers.ts'
import { selfSigned } from '../../support/servers/certificate.ts'

let stage: Stage

beforeAll(async () => {
  stage = { undici, certificate: await selfSigned() }
})

/** With undici 7 as well: test/compat. */
describe('whether anything can have reached the server, whether it is tried again, and who counts it', () => {
  test.each(Object.entries(scenarios))('%s', async (_name, scenario) => {
    await checkScenario(scenario, 8, stage, resilience)
  })
})

test('a dead letter without a retry layer takes no mock for a connection that never stood', async () => {
  const reset = Object.assign(new Error('read ECONNRESET'), {
    code: 'ECONNRESET',
    errno: -104,
    syscall: 'read',
  })
  const mock = mocked(stage, reset)
  const letters = deadLetter()
  const dispatcher = mock.dispatcher.compose(letters)
  await expect(undici.request(mock.url, { dispatcher })).rejects.toBe(reset)
  expect((await letters.deadLetters.list()).items).toMatchObject([{ delivery: 'unknown' }])
  await letters.close()
  await mock.close()
})

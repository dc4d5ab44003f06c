import { beforeEach, expect, it } from 'vitest'
import { localDeadLetters } from '../../../src/dead-letter/local/local-dead-letters.ts'
import type { DeadLetterStore } from '../../../src/dead-letter/store/store.ts'
import { replayDeadLetters, startReplayer } from '../../../src/replay.ts'
import { makeRecord } from '../../../src/testing/contracts/records.ts'

const origin = 'https://api.example.com'
const options = { allowedOrigins: [origin] }

let store: DeadLetterStore
beforeEach(async () => {
  store = localDeadLetters()
  await store.add([makeRecord({ replayable: false, notReplayableReason: 'body-redacted' })])
  await store.add([makeRecord({ integration: 'crm' }), makeRecord()], { status: 'quarantined' })
  await store.add([makeRecord({ request: { url: 'https://elsewhere.example' } })], { status: 'quarantined' })
})

it('counts what waits for a person at its origins, and how much of it cannot be sent as it is', async () => {
  const setAside = { inDoubt: 0, quarantined: 3, notReplayable: 1 }
  expect(await replayDeadLetters(store, options)).toMatchObject({ claimed: 0, setAside })
  expect(await replayDeadLetters(store, { ...options, dryRun: true })).toMatchObject({ setAside })
})

it('counts of a filter what matches, and nothing where the filter or ids say what is meant', async () => {
  const counted = async (more: object): Promise<number> =>
    (await replayDeadLetters(store, { ...options, ...more })).setAside.quarantined
  expect(await counted({ filter: { integration: 'crm' } })).toBe(1)
  expect(await counted({ filter: { status: 'pending' } })).toBe(0)
  expect(await counted({ ids: ['nobody'] })).toBe(0)
})

it('is told once by a replayer, in its log', async () => {
  const told: [object, string][] = []
  const ignore = (): void => undefined
  const logger = { info: ignore, warn: (...line: [object, string]) => void told.push(line), error: ignore }
  const replayer = startReplayer(store, { ...options, logger })
  expect(await replayer.run()).toMatchObject({ setAside: { quarantined: 3 } })
  expect(await replayer.run()).toMatchObject({ setAside: { quarantined: 0 } })
  await replayer.close()
  expect(told).toMatchObject([
    [{ quarantined: 3, notReplayable: 1 }, 'dead letters are set aside: they wait for a person'],
  ])
})

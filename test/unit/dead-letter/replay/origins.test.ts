import { beforeEach, describe, expect, it } from 'vitest'
import type { DeadLetter, DeadLetterReplay } from '../../../../src/dead-letter/record/record.ts'
import type { ReplayPolicy } from '../../../../src/dead-letter/replay/entry/decision.ts'
import type { OriginWord } from '../../../../src/dead-letter/replay/entry/judgement.ts'
import { ReplayOrigins } from '../../../../src/dead-letter/replay/origins.ts'
import { initialState } from '../../../../src/dead-letter/store/lifecycle.ts'
import { makeRecord } from '../../../../src/testing/contracts/records.ts'
import { VirtualClock } from '../../../support/simulation/virtual-clock.ts'

const A = 'https://a.example'
const policy: ReplayPolicy = { maxReplays: 5, initialBackoffMs: 30_000, maxBackoffMs: 3_600_000 }
const up: OriginWord = { says: 'up' }
const down: OriginWord = { says: 'down', askedMs: undefined }

let clock: VirtualClock
let origins: ReplayOrigins
beforeEach(() => {
  clock = new VirtualClock(0, () => 1)
  origins = new ReplayOrigins(clock)
})

const hear = (...words: OriginWord[]): boolean[] =>
  words.map((word) => origins.hear(A, word, word.says, policy))

describe('an origin', () => {
  it('is left alone after three failures in a row, and not after as many with an answer between', () => {
    expect(hear(down, down, up, down, down)).toEqual(Array(5).fill(false))
    expect(origins.leftAlone(A)).toBeUndefined()
    expect(hear(down)).toEqual([true])
    expect(origins.leftAlone(A)).toEqual({
      origin: A,
      reason: 'outage',
      message: 'down',
      afterMs: 30_000,
      askedMs: 0,
    })
    expect(origins.isSuspect(A)).toBe(true)
  })

  it('is left alone for longer each time, up to five minutes, until it answers', async () => {
    const waits: number[] = []
    hear(down, down)
    for (let round = 0; round < 6; round++) {
      hear(down)
      const { afterMs } = origins.leftAlone(A)!
      waits.push(afterMs)
      await clock.advance(afterMs)
      expect(origins.leftAlone(A)).toBeUndefined()
    }
    expect(waits).toEqual([30_000, 60_000, 120_000, 240_000, 300_000, 300_000])
    hear(up)
    expect(origins.isSuspect(A)).toBe(false)
    expect(hear(down)).toEqual([false])
  })

  it('has one wait for what fails together', () => {
    hear(down, down, down, down, down)
    expect(origins.leftAlone(A)!.afterMs).toBe(30_000)
  })

  it('is left alone exactly as long as it asks for, of several the longest, whatever it answers meanwhile', async () => {
    hear({ says: 'wait', askedMs: 60_000 }, { says: 'wait', askedMs: 10_000 }, up)
    expect(origins.leftAlone(A)).toMatchObject({ reason: 'rate-limited', afterMs: 60_000, askedMs: 60_000 })
    hear({ says: 'wait', askedMs: 90_000 })
    expect(origins.leftAlone(A)!.afterMs).toBe(90_000)
    await clock.advance(90_000)
    expect(origins.leftAlone(A)).toBeUndefined()
    // it said when: no need to find out with one request
    expect(origins.isSuspect(A)).toBe(false)
  })

  it('is not believed for ever when it is down and asks for a second each time', async () => {
    const waits: number[] = []
    for (let round = 0; round < 3; round++) {
      hear({ says: 'down', askedMs: 1000 })
      waits.push(origins.leftAlone(A)!.afterMs)
      await clock.advance(waits.at(-1)!)
    }
    expect(waits).toEqual([1000, 60_000, 120_000])
  })

  it('can be asked at once by a person, but for what it has asked for itself', () => {
    hear(down, down, down)
    origins.forgetOwnWaits([A, 'https://b.example'])
    expect(origins.leftAlone(A)).toBeUndefined()
    expect(origins.isSuspect(A)).toBe(true)
    hear({ says: 'down', askedMs: 5000 })
    expect(origins.leftAlone(A)).toMatchObject({ afterMs: 60_000, askedMs: 5000 })
    origins.forgetOwnWaits([A])
    expect(origins.leftAlone(A)).toMatchObject({ afterMs: 5000, askedMs: 5000 })
  })
})

describe('a failure', () => {
  const entry = (...replays: Partial<DeadLetterReplay>[]): DeadLetter => {
    const record = makeRecord()
    return {
      ...record,
      ...initialState(record),
      replays: replays.map((one) => ({ at: Date.now() - 1000, outcome: 'failed', ...one })),
    }
  }

  it('is the own one of an entry that has failed before, when others were answered since', () => {
    expect(origins.isOwnFailure(entry({ statusCode: 500 }), A)).toBe(false)
    hear(up)
    expect(origins.isOwnFailure(entry({ statusCode: 500 }), A)).toBe(true)
    expect(origins.isOwnFailure(entry({ code: 'ECONNRESET' }), A)).toBe(true)
  })

  it.each([
    ['the first', entry()],
    ['one after an answer that asked for time', entry({ statusCode: 429 })],
    ['one after a refusal of the credentials', entry({ statusCode: 401 })],
    ['one after it had not been reached', entry({ outcome: 'refused' })],
    ['one since which nothing was answered', entry({ at: Date.now() + 60_000, statusCode: 500 })],
  ])('is not: %s', (_what, failed) => {
    hear(up)
    expect(origins.isOwnFailure(failed, A)).toBe(false)
  })

  it('is not when another has failed just before: it may be an outage', () => {
    hear(up, down)
    expect(origins.isOwnFailure(entry({ statusCode: 500 }), A)).toBe(false)
  })

  it('is not for an answer that says nothing of others', () => {
    hear({ says: 'wait', askedMs: 0 }, { says: 'no', reason: 'credentials', waitMs: 0 })
    expect(origins.isOwnFailure(entry({ statusCode: 500 }), A)).toBe(false)
  })
})

import { describe, expect, it } from 'vitest'
import type { DeadLetterReplay } from '../../../../../src/dead-letter/record/record.ts'
import {
  judgeReplay,
  replayDelay,
  type ReplayFacts,
  type ReplayPolicy,
} from '../../../../../src/dead-letter/replay/entry/decision.ts'
import type { Judgement } from '../../../../../src/dead-letter/replay/entry/judgement.ts'
import type { ReplayOutcome } from '../../../../../src/dead-letter/replay/entry/outcome.ts'
import type { Verdict } from '../../../../../src/http/outcome.ts'
import { entry, NOW, post, put, requests } from '../../../../support/dead-letters/replay-entries.ts'

const policy: ReplayPolicy = { maxReplays: 5, initialBackoffMs: 1000, maxBackoffMs: 60_000 }
const DELAY = 750
const OUTAGE = 20_000
const facts: ReplayFacts = {
  at: NOW,
  ms: 12.4,
  now: NOW,
  random: 0.5,
  ownFailure: false,
  outageWaitMs: OUTAGE,
  lacks: [],
}

const judge = (
  changes: Parameters<typeof entry>[0],
  outcome: ReplayOutcome,
  more: Partial<ReplayFacts> = {},
): Judgement => judgeReplay(entry(changes), outcome, { ...facts, ...more }, policy)

const response = (statusCode: number, retryAfterMs?: number, verdict?: Verdict): ReplayOutcome => ({
  kind: 'response',
  statusCode,
  retryAfterMs,
  verdict,
})
const error = (delivery: 'unknown' | 'not-sent', code = 'ECONNRESET'): ReplayOutcome => ({
  kind: 'error',
  code,
  delivery,
})

describe('a replay without an answer', () => {
  it.each(requests)('of %s is repeated only if it may be sent twice', (_what, changes, repeatable) => {
    expect(judge(changes, error('unknown'))).toEqual(
      repeatable
        ? {
            settlement: {
              outcome: 'later',
              replay: { at: NOW, ms: 12, outcome: 'failed', code: 'ECONNRESET' },
              delayMs: OUTAGE,
            },
            reason: 'outage',
            message: 'no answer: ECONNRESET',
            origin: { says: 'down' },
          }
        : {
            settlement: {
              outcome: 'in-doubt',
              replay: { at: NOW, ms: 12, outcome: 'in-doubt', code: 'ECONNRESET' },
              note: 'may have been sent: ECONNRESET',
            },
            reason: 'may-have-arrived',
            message: 'may have been sent: ECONNRESET',
            origin: { says: 'down' },
          },
    )
  })

  it.each(requests)('of %s that surely was not sent comes back and uses up nothing', (_what, changes) => {
    for (const ownFailure of [true, false]) {
      expect(judge(changes, error('not-sent', 'ECONNREFUSED'), { ownFailure })).toEqual({
        settlement: {
          outcome: 'later',
          delayMs: OUTAGE,
          replay: { at: NOW, ms: 12, outcome: 'refused', code: 'ECONNREFUSED' },
        },
        reason: 'outage',
        message: 'not reached: ECONNREFUSED',
        origin: { says: 'down' },
      })
    }
  })

  it('uses up one of an entry that fails alone, while its origin answers others', () => {
    expect(judge(put, error('unknown'), { ownFailure: true })).toMatchObject({
      settlement: { outcome: 'failed', delayMs: DELAY, maxReplays: 5 },
      reason: 'failed',
      origin: { says: 'down' },
    })
  })

  it('through an open circuit comes back when the circuit wants it, a second later at the earliest', () => {
    const open = (retryAfterMs: number): ReplayOutcome => ({
      kind: 'turned-away',
      code: 'ERR_CIRCUIT_OPEN',
      retryAfterMs,
    })
    expect(judge(post, open(30_000))).toMatchObject({
      settlement: { outcome: 'later', delayMs: 30_000 },
      reason: 'circuit-open',
      origin: { says: 'no', waitMs: 30_000 },
    })
    expect(judge(post, open(0))).toMatchObject({ settlement: { outcome: 'later', delayMs: 1000 } })
  })

  it('turned away by a rate limit comes back exactly when that wants it', () => {
    expect(
      judge(post, { kind: 'turned-away', code: 'ERR_RATE_LIMITED', retryAfterMs: 60_000 }),
    ).toMatchObject({
      settlement: { outcome: 'later', delayMs: 60_000 },
      reason: 'rate-limited',
      origin: { says: 'wait', askedMs: 60_000 },
    })
  })

  it.each([
    ['UND_ERR_INVALID_ARG', 'nothing'],
    ['UND_ERR_NOT_SUPPORTED', 'nothing'],
    ['ERR_REPLAY_TOO_LATE', 'nothing'],
    ['UND_ERR_DESTROYED', 'no'],
    ['UND_ERR_CLOSED', 'no'],
    ['ERR_PROXY_DENIED', 'no'],
  ])('for a reason that is none of the server uses up nothing: %s', (code, says) => {
    for (const [, changes] of requests) {
      expect(judge(changes, error('not-sent', code), { ownFailure: true })).toMatchObject({
        settlement: { outcome: 'later' },
        reason: 'not-sent',
        origin: { says },
      })
    }
  })

  it('stores codes that fit', () => {
    const long = judge(put, error('unknown', 'E'.repeat(10_000)))
    expect(JSON.stringify(long).length).toBeLessThan(1000)
    expect(JSON.stringify(judge(post, error('unknown', 'E'.repeat(10_000)))).length).toBeLessThan(1000)
  })
})

describe('a replay with an answer', () => {
  it.each([
    [200, 'done', 'up'],
    [204, 'done', 'up'],
    [303, 'done', 'up'],
    [304, 'done', 'up'],
    [301, 'quarantined', 'up'],
    [302, 'quarantined', 'up'],
    [307, 'quarantined', 'up'],
    [400, 'quarantined', 'up'],
    [404, 'quarantined', 'up'],
    [409, 'quarantined', 'up'],
    [422, 'quarantined', 'up'],
    [401, 'later', 'no'],
    [403, 'later', 'no'],
    [425, 'later', 'up'],
    [500, 'later', 'down'],
    [503, 'later', 'down'],
    [599, 'later', 'down'],
    [429, 'later', 'wait'],
  ] as const)('of %i is %s, also for what must not be sent twice', (statusCode, outcome, says) => {
    for (const [, changes] of requests) {
      const judgement = judge(changes, response(statusCode))
      expect(judgement).toMatchObject({
        settlement: { outcome, replay: { at: NOW, ms: 12, statusCode } },
        origin: { says },
      })
      if (outcome !== 'done') expect(judgement.message).toContain(String(statusCode))
    }
  })

  it.each([
    [408, 'failed', 'up'],
    [502, 'later', 'down'],
    [504, 'later', 'down'],
    [520, 'later', 'down'],
    [524, 'later', 'down'],
  ] as const)(
    'of %i comes of somebody who had none: it is %s, and in doubt for what must not be sent twice',
    (statusCode, outcome, says) => {
      for (const [, changes, repeatable] of requests) {
        expect(judge(changes, response(statusCode))).toMatchObject({
          settlement: { outcome: repeatable ? outcome : 'in-doubt', replay: { statusCode } },
          ...(repeatable ? {} : { reason: 'may-have-arrived' }),
          origin: { says },
        })
      }
    },
  )

  it('of a gateway is believed where a verdict knows better', () => {
    for (const said of [{ delivery: 'responded' }, { kind: 'transient', safeToRetry: true }] as Verdict[]) {
      expect(judge(post, response(504, undefined, said)).settlement.outcome).toBe('later')
    }
  })

  it('is not repeated before the provider wants it, and of a 429 exactly then', () => {
    expect(judge(put, response(503, 30_000)).settlement).toMatchObject({ delayMs: 30_000 })
    expect(judge(put, response(503, 10)).settlement).toMatchObject({ delayMs: OUTAGE })
    expect(judge(put, response(429, 60_000)).settlement).toMatchObject({ delayMs: 60_000 })
    expect(judge(put, response(429, 10)).settlement).toMatchObject({ delayMs: 10 })
    expect(judge(put, response(429)).settlement).toMatchObject({ delayMs: OUTAGE })
  })

  it('that redirects is not followed, and says so', () => {
    expect(judge(put, response(307)).settlement).toMatchObject({
      note: 'redirected with 307, which a replay does not follow',
    })
    expect(judge(put, response(404)).settlement).toMatchObject({ note: 'refused: answered 404' })
  })

  it.each([404, 410])('of %i to a DELETE is done: what was to go is gone', (statusCode) => {
    const changes = { request: { method: 'DELETE' } }
    expect(judge(changes, response(statusCode))).toMatchObject({
      settlement: { outcome: 'done' },
      reason: 'already-gone',
    })
    const verdict: Verdict = { kind: 'permanent' }
    expect(judge(changes, response(statusCode, undefined, verdict)).settlement.outcome).toBe('done')
    expect(judge(changes, response(statusCode, undefined, { kind: 'transient' })).settlement.outcome).toBe(
      'failed',
    )
  })

  it.each([404, 410])(
    'of %i to a DELETE that went without a header of its call says nothing',
    (statusCode) => {
      const judged = judge({ request: { method: 'DELETE' } }, response(statusCode), {
        lacks: ['authorization'],
      })
      const note = `refused: answered ${statusCode}, without authorization: it may still be there`
      expect(judged).toMatchObject({ settlement: { outcome: 'quarantined', note }, reason: 'refused' })
    },
  )

  it('of 5xx uses up a replay of an entry that fails alone, and the last one quarantines it', () => {
    expect(judge(put, response(500), { ownFailure: true })).toMatchObject({
      settlement: { outcome: 'failed' },
      reason: 'failed',
    })
    const last = { ...entry(put), replayCount: 4 }
    expect(judgeReplay(last, response(500), { ...facts, ownFailure: true }, policy)).toMatchObject({
      reason: 'replays-used-up',
    })
  })
})

describe('a verdict', () => {
  const verdict = (
    statusCode: number,
    said: Verdict,
    changes: Parameters<typeof entry>[0] = put,
  ): Judgement => judge(changes, response(statusCode, undefined, said))

  it.each<[number, Verdict, string, string]>([
    [200, { kind: 'transient' }, 'failed', 'up'],
    [200, { kind: 'permanent' }, 'quarantined', 'up'],
    [200, { kind: 'rate-limited' }, 'later', 'wait'],
    [200, { kind: 'transient', circuitFailure: true }, 'later', 'down'],
    [422, { kind: 'success' }, 'done', 'up'],
    [500, { kind: 'permanent' }, 'quarantined', 'up'],
    [503, { kind: 'transient' }, 'later', 'down'],
    [400, { kind: 'rate-limited' }, 'later', 'wait'],
    [403, { kind: 'rate-limited' }, 'later', 'wait'],
    [401, { kind: 'permanent' }, 'later', 'no'],
    [200, { code: 'fine' }, 'done', 'up'],
  ])('counts before the status: %i with %j is %s', (statusCode, said, outcome, says) => {
    expect(verdict(statusCode, said)).toMatchObject({ settlement: { outcome }, origin: { says } })
  })

  it('leaves in doubt what the server may have acted on, and must not be sent twice', () => {
    const said: Verdict = { delivery: 'unknown' }
    expect(verdict(503, said, post)).toMatchObject({
      settlement: { outcome: 'in-doubt' },
      reason: 'may-have-arrived',
    })
    expect(verdict(503, said, put)).toMatchObject({ settlement: { outcome: 'later' } })
  })

  it('says how long to wait, of two the longer', () => {
    const wait = (said: Verdict, retryAfterMs?: number) =>
      judge(put, response(429, retryAfterMs, said)).origin
    expect(wait({ retryAfterMs: 5000 })).toEqual({ says: 'wait', askedMs: 5000 })
    expect(wait({ retryAfterMs: 5000 }, 60_000)).toEqual({ says: 'wait', askedMs: 60_000 })
    expect(wait({ kind: 'rate-limited', notBefore: NOW + 3_600_000 })).toEqual({
      says: 'wait',
      askedMs: 3_600_000,
    })
    expect(wait({ notBefore: NOW - 1 })).toEqual({ says: 'wait', askedMs: 0 })
  })

  it('asks the others to wait where the headers do, and not where the entry alone has to', () => {
    const later: Verdict = { kind: 'transient', circuitFailure: false, notBefore: NOW + 86_400_000 }
    const own = judge(put, response(400, undefined, later))
    expect(own.origin).toEqual({ says: 'up' })
    expect(own.settlement).toMatchObject({ outcome: 'failed', delayMs: 86_400_000 })
    expect(judge(put, response(400, 5_000, later)).origin).toEqual({ says: 'wait', askedMs: 5_000 })
  })

  it('shows its code', () => {
    expect(verdict(200, { kind: 'permanent', code: 'card_declined' }).message).toBe(
      'refused: answered 200 (card_declined)',
    )
  })
})

describe('a 409 or 425 that may say "in progress"', () => {
  const keyed = { ...post, idempotencyKey: 'k' }
  const replayed = (statusCode: number, times: number): DeadLetterReplay[] =>
    Array.from({ length: times }, () => ({ at: NOW - 1, outcome: 'failed', statusCode }))

  it.each<[string, Parameters<typeof entry>[0]]>([
    ['where an attempt went unanswered', { ...keyed, delivery: 'unknown' }],
    ['where a replayer was lost while sending', { ...keyed, replays: [{ at: NOW, outcome: 'lapsed' }] }],
    ['where a gateway had no answer', { ...keyed, replays: replayed(504, 1) }],
  ])('means "not yet" with the same key: %s', (_what, changes) => {
    expect(judge(changes, response(409))).toMatchObject({
      settlement: { outcome: 'later' },
      reason: 'in-progress',
    })
  })

  it('is the answer where nothing can be in progress', () => {
    expect(judge({ ...keyed, delivery: 'not-sent' }, response(409)).settlement.outcome).toBe('quarantined')
    expect(judge({ ...post, delivery: 'unknown' }, response(409)).settlement.outcome).toBe('quarantined')
  })

  it('is no longer believed after it came again and again', () => {
    const unknown = { ...keyed, delivery: 'unknown' as const }
    expect(judge({ ...unknown, replays: replayed(409, 4) }, response(409)).settlement.outcome).toBe('later')
    expect(judge({ ...unknown, replays: replayed(409, 5) }, response(409)).settlement.outcome).toBe(
      'quarantined',
    )
  })
})

describe('the wait before the next replay', () => {
  it.each([
    [0, 0, 500],
    [0, 1, 1000],
    [1, 0, 1000],
    [3, 0.5, 6000],
    [10, 1, 60_000],
    [100_000, 1, 60_000],
  ])('after %i replays, with chance %f: %i ms', (replayCount, random, ms) => {
    expect(replayDelay(policy, replayCount, random)).toBe(ms)
  })
})

import { describe, expect, it } from 'vitest'
import { messageJson } from '../../../../src/dead-letter/message/message.ts'
import { bullmqProcessor } from '../../../../src/entries/bullmq.ts'
import { makeRecord } from '../../../../src/testing/contracts/records.ts'
import { ScriptedDispatcher } from '../../../support/calls/scripted-dispatcher.ts'

describe('a processor of BullMQ', () => {
  const postBegun = (begun: number, delivery: 'not-sent' | 'unknown' = 'not-sent'): object => ({
    ...messageJson(makeRecord({ delivery, request: { method: 'POST' } })),
    attemptsStarted: begun,
  })

  /** Begins a job for the `attemptsStarted`th time. */
  async function begin(
    attemptsStarted: number,
    data: object,
  ): Promise<{ sent: number; error: unknown; data: object }> {
    const provider = new ScriptedDispatcher()
    provider.answer = (attempt) => attempt.respond(200)
    const processor = bullmqProcessor({
      allowedOrigins: ['https://api.example.com'],
      dispatcher: provider,
      ratePerSecond: Infinity,
    })
    const job = {
      data,
      attemptsStarted,
      updateData: (changed: object) => Promise.resolve(void (job.data = changed)),
      moveToDelayed: () => Promise.resolve(),
    }
    const error: unknown = await processor(job).then(
      () => undefined,
      (failure: unknown) => failure,
    )
    return { sent: provider.attempts.length, error, data: job.data }
  }

  it.each([
    ['begun anew', 4, 3],
    ['begun anew with its count of starts reset', 1, 3],
    ['begun anew with a reset count that was small', 1, 1],
  ])('sends a job that is %s', async (_what, attemptsStarted, begun) => {
    expect(await begin(attemptsStarted, postBegun(begun))).toMatchObject({ sent: 1, error: undefined })
  })

  it.each([
    ['lost with its worker', 5, 3],
    ['lost with its worker after its count of starts was reset', 2, 3],
    ['lost with its worker after a reset to where it was', 3, 3],
  ])('holds a job that must not be sent twice and was %s', async (_what, attemptsStarted, begun) => {
    const { sent, error } = await begin(attemptsStarted, postBegun(begun))
    expect([sent, String(error)]).toEqual([0, expect.stringContaining('in-doubt: ')])
  })

  it('sends on Retry what failed since its worker was lost, and not what may have arrived before', async () => {
    const lost = await begin(2, postBegun(0))
    expect(lost.sent).toBe(0)
    expect((await begin(3, lost.data)).sent).toBe(1)
    const unknown = await begin(2, postBegun(0, 'unknown'))
    expect((await begin(3, unknown.data)).sent).toBe(0)
  })
})

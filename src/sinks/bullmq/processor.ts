import { resolveOptions } from '../../checks.ts'
import { messageJson } from '../../dead-letter/message/message.ts'
import { planOfOne } from '../../replay.ts'
import { Reporter } from '../../telemetry/reporter.ts'
import { consumerChecks, type DeadLetterConsumerOptions } from '../consumer/options.ts'
import { Turns } from '../consumer/turn.ts'
import type { BullmqJob } from './client.ts'

/** What a `Worker` of BullMQ calls for each job. */
export type BullmqProcessor = (job: BullmqJob, token?: string) => Promise<void>

/** In the data of a job beside the message: how often it had been begun when it was last told to wait or to be parked. */
const BEGUN = 'attemptsStarted'

/** By its name BullMQ knows that the job has been moved to the delayed ones. */
class DelayedError extends Error {
  override readonly name = 'DelayedError'
}

/** By its name BullMQ knows that the job fails for good, whatever `attempts` says. */
class UnrecoverableError extends Error {
  override readonly name = 'UnrecoverableError'
}

/** Nobody closes a processor: its worker waits for what it has begun. */
const NEVER = new AbortController().signal

/**
 * Sends the dead letters of a queue of BullMQ, by the rules of `replayDeadLetter`: allowed origins, credentials, keys, in
 * doubt. What the server took is a completed job; what has to wait is a delayed one, which counts as no attempt of
 * BullMQ; what a person has to decide on is a failed one, whose reason begins with `in-doubt: ` or `quarantined: `. A
 * job that is begun again, since its worker was lost with it, fails as in doubt where it must not be sent twice; any other
 * waits and uses up a replay.
 *
 * @throws TypeError, RangeError naming option, bound and value
 * @example
 * const processor = bullmqProcessor({
 *   allowedOrigins: ['https://api.hubapi.com'],
 *   credentials: () => ({ authorization: `Bearer ${token}` }),
 * })
 * const worker = new Worker('dead-letters', processor, { connection, concurrency: 4 })
 */
export function bullmqProcessor(options: DeadLetterConsumerOptions): BullmqProcessor {
  const policy = resolveOptions('bullmqProcessor', consumerChecks, options)
  const reporter = new Reporter('replay', policy.logger)
  // the id of a job is that of its record; one that a person has done again is to be done
  const turns = new Turns(planOfOne(policy), reporter, { closing: NEVER, mayHoldTwice: false })
  return async (job, token) => {
    const { attemptsStarted = 1 } = job
    const begun = (job.data as { [BEGUN]?: unknown } | null)?.[BEGUN]
    // a retry may reset the count of starts: then all of them are since
    const before = typeof begun === 'number' && begun < attemptsStarted ? begun : 0
    const redelivered = attemptsStarted > before + 1
    const advice = await turns.take(JSON.stringify(job.data ?? null), { redelivered })
    if (advice === undefined || advice.then === 'forget') return
    if (advice.then === 'wait') {
      await job.updateData({ ...messageJson(advice.message), [BEGUN]: attemptsStarted })
      await job.moveToDelayed(Date.now() + advice.ms, token)
      throw new DelayedError(`it comes back in ${advice.ms} ms`)
    }
    if (advice.message !== undefined) {
      // without its status: whoever has it done again, as in bull-board, has decided
      const { status: _status, note: _note, ...message } = advice.message
      await job.updateData({ ...messageJson(message as never), [BEGUN]: attemptsStarted })
    }
    throw new UnrecoverableError(`${advice.as}: ${advice.note}`)
  }
}

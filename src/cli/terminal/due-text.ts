import type { DeadLetter } from '../../dead-letter/record/record.ts'
import { durationText } from './time-text.ts'

/** How long a pending entry waits until it is due: `in 3m 20s`; `undefined` where it is due now, or is not pending. */
export function dueInText({ status, dueAt }: DeadLetter, now: number): string | undefined {
  return status === 'pending' && dueAt > now ? `in ${durationText(dueAt - now)}` : undefined
}

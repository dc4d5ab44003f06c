import type { IncomingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'
import type { Attempt } from '../call/attempt.ts'
import type { Call } from '../call/call.ts'
import type { Layer } from '../call/layer.ts'
import type { Waits } from '../call/wait.ts'
import type { Reporter } from '../telemetry/reporter.ts'
import type { RetryBudgets } from './budget/budgets.ts'
import type { RetryPolicy } from './options.ts'

/** What the attempts of one call share: made once per interceptor, but for calls with options of their own. */
export interface RetryContext {
  readonly policy: RetryPolicy
  readonly reporter: Reporter
  readonly next: Layer
  readonly isRepeatable: (call: Call) => boolean
  readonly waits: Waits
  readonly hearAnswer: HearAnswer | undefined
  /** Says once that there is another retry in the same dispatcher. */
  readonly lookForOthers: (call: Call, error: Error | undefined, isOuter: boolean) => void
  /** `undefined`: no bound but `maxAttempts`. */
  readonly budgets: RetryBudgets | undefined
}

/** Who is right below and wants to hear of answers that are no success, before anything is decided by them. */
export type HearAnswer = (
  attempt: Attempt,
  options: Dispatcher.DispatchOptions,
  statusCode: number,
  headers: IncomingHttpHeaders,
) => void

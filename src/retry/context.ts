import type { Call } from '../call/call.ts'
import type { Layer } from '../call/layer.ts'
import type { CoolDowns } from '../call/line/held-back.ts'
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
  /** Of who is right below; `undefined` where nobody is. */
  readonly coolDowns: CoolDowns | undefined
  /** Says once that there is another retry in the same dispatcher. */
  readonly lookForOthers: (call: Call, error: Error | undefined, isOuter: boolean) => void
  /** `undefined`: no bound but `maxAttempts`. */
  readonly budgets: RetryBudgets | undefined
}

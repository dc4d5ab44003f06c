import type { Delivery } from '../../../http/delivery.ts'
import type { Verdict } from '../../../http/outcome.ts'

/** What came of sending an entry. */
export type ReplayOutcome =
  | {
      readonly kind: 'response'
      readonly statusCode: number
      /** What its headers ask to wait, in milliseconds. */
      readonly retryAfterMs?: number | undefined
      /** What `classify` said of it: that of the dispatcher, or of the replay. */
      readonly verdict?: Verdict | undefined
    }
  /** A layer of the dispatcher did not let it through: an open circuit, a limiter. Nothing was sent. */
  | { readonly kind: 'turned-away'; readonly code: string; readonly retryAfterMs: number }
  | { readonly kind: 'error'; readonly code: string; readonly delivery: Delivery }

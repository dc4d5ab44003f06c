import type { Settlement } from '../../store/settlement.ts'
import type { AgainReason, DoneReason, HoldReason, NeverReason } from './reasons.ts'

/** What an outcome says of its origin, for the entries that wait for the same one. */
export type OriginWord =
  | { readonly says: 'nothing' }
  /** It answers. */
  | { readonly says: 'up' }
  /** It may be down. */
  | { readonly says: 'down'; readonly askedMs: number | undefined }
  /** It wants to be asked later; `undefined` where it does not say when. */
  | { readonly says: 'wait'; readonly askedMs: number | undefined }
  /** No other entry would fare better: its turn is over. */
  | {
      readonly says: 'no'
      readonly reason: 'credentials' | 'circuit-open' | 'not-sent'
      readonly waitMs: number
    }

/** What is to be done with an entry, and why. */
export interface Judgement {
  readonly settlement: Settlement
  readonly reason: DoneReason | AgainReason | HoldReason | NeverReason
  /** In words; absent where the server took it. */
  readonly message?: string | undefined
  readonly origin: OriginWord
}

import type { Dispatcher } from 'undici'
import type { Call } from '../call.ts'

/**
 * Who keeps a record of calls that finally fail, where it stands right under the front desk. The front desk asks it for a
 * handler once there is something to capture: a healthy call has none.
 */
export interface Captor {
  /** It may want any answer, and not only what looks like a failure. */
  readonly wantsAll: boolean
  /** A call has its final answer. Once per call. */
  answered(): void
  /** @param handler the rest of the way to the caller */
  capturing(call: Call, handler: Dispatcher.DispatchHandler): Capturing
}

/** What finally becomes of a call goes through it. */
export interface Capturing extends Required<
  Pick<Dispatcher.DispatchHandler, 'onResponseStart' | 'onResponseData' | 'onResponseEnd' | 'onResponseError'>
> {
  /**
   * A timeout, of the caller or of the stack, ended the call while no attempt was there to report it: in a wait, in a
   * queue.
   * @returns whether the layers above hear of it from here
   */
  abandoned(reason: Error): boolean
}

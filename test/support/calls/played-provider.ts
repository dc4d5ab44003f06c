import type { Dispatcher } from 'undici'
import type { Scheduler } from '../../../src/time/clock.ts'
import { idleController } from './idle-controller.ts'

/** What a played provider does with a request; `unreachable`: there is no connection. */
export type PlayedAnswer =
  | { readonly statusCode: number; readonly headers?: Readonly<Record<string, string>> }
  | 'unreachable'
  | 'reset'

export interface PlayedRequest {
  readonly origin: string
  readonly path: string
  /** On the clock of the play. */
  readonly at: number
  readonly answer: PlayedAnswer
}

/** A dispatcher without a network, that answers at once: for plays in which hours pass. */
export function playedProvider(
  clock: Scheduler,
  answerTo: (request: Omit<PlayedRequest, 'answer'>) => PlayedAnswer,
): { dispatcher: Dispatcher; requests: PlayedRequest[] } {
  const requests: PlayedRequest[] = []
  const dispatch: Dispatcher.Dispatch = (options, handler) => {
    const asked = { origin: String(options.origin), path: options.path, at: clock.now() }
    const answer = answerTo(asked)
    requests.push({ ...asked, answer })
    queueMicrotask(() => play(answer, handler))
    return true
  }
  return { dispatcher: { dispatch } as unknown as Dispatcher, requests }
}

function play(answer: PlayedAnswer, handler: Dispatcher.DispatchHandler): void {
  const controller = idleController()
  const failed = (code: string, syscall: string): void =>
    handler.onResponseError?.(controller, Object.assign(new Error(code), { code, syscall }))
  if (answer === 'unreachable') {
    failed('ECONNREFUSED', 'connect')
    return
  }
  handler.onRequestStart?.(controller, {})
  if (answer === 'reset') {
    failed('ECONNRESET', 'read')
    return
  }
  handler.onResponseStart?.(controller, answer.statusCode, { ...answer.headers }, '')
  handler.onResponseEnd?.(controller, {})
}

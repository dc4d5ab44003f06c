import type { Dispatcher } from 'undici'

/**
 * Hands an answer on when so much time has passed since its request was dispatched, and not before. Put right under a
 * stack: the attempt's timeout begins in the same turn of the event loop, so that of the two the shorter one ends first,
 * however busy the machine is.
 */
export function answersAfter(ms: number): Dispatcher.DispatcherComposeInterceptor {
  return (dispatch) => (options, handler) => {
    const held: (() => void)[] = []
    let isDue = false
    const handOn = (step: () => void): void => {
      if (isDue) step()
      else held.push(step)
    }
    setTimeout(() => {
      isDue = true
      for (const step of held) step()
    }, ms)
    return dispatch(options, {
      onRequestStart: (controller, context) => handler.onRequestStart?.(controller, context),
      onResponseStart: (controller, statusCode, headers, statusMessage) =>
        handOn(() => handler.onResponseStart?.(controller, statusCode, headers, statusMessage)),
      onResponseData: (controller, chunk) => handOn(() => handler.onResponseData?.(controller, chunk)),
      onResponseEnd: (controller, trailers) => handOn(() => handler.onResponseEnd?.(controller, trailers)),
      onResponseError: (controller, error) => handler.onResponseError?.(controller, error),
    })
  }
}

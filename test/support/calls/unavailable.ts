import { Dispatcher } from 'undici'

/** Answers every request with 503 at once. */
export class Unavailable extends Dispatcher {
  override dispatch(_options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const controller = {
      aborted: false,
      paused: false,
      reason: null,
      pause() {},
      resume() {},
      abort() {},
    } as never
    handler.onRequestStart?.(controller, {})
    queueMicrotask(() => {
      handler.onResponseStart?.(controller, 503, {}, 'Service Unavailable')
      handler.onResponseEnd?.(controller, {})
    })
    return true
  }
}

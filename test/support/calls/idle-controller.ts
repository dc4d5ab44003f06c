import type { Dispatcher } from 'undici'

/** A controller of a request whose dispatcher does nothing of what it is asked. */
export function idleController(): Dispatcher.DispatchController {
  return {
    aborted: false,
    paused: false,
    reason: null,
    rawHeaders: [],
    rawTrailers: [],
    abort: () => undefined,
    pause: () => undefined,
    resume: () => undefined,
  }
}

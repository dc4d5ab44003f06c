import type { Dispatcher } from 'undici'
import { interceptor, send } from '../call/layer.ts'
import type { Reporter } from '../telemetry/reporter.ts'
import { ClassificationHandler } from './handler.ts'
import type { ClassificationPolicy } from './options.ts'

/** Asks the `classify` hook once per attempt; breaker, retry and dead letter all go by its answer. */
export function classification(
  policy: ClassificationPolicy,
  reporter: Reporter,
): Dispatcher.DispatcherComposeInterceptor {
  return interceptor(
    (dispatch) => (call, options, handler) =>
      send(dispatch, call, options, new ClassificationHandler(call, handler, policy, reporter)),
  )
}

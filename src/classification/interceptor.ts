import { interceptor, type LayerInterceptor } from '../call/layer.ts'
import type { Reporter } from '../telemetry/reporter.ts'
import { ClassificationHandler } from './handler.ts'
import type { ClassificationPolicy } from './options.ts'

/** Asks the `classify` hook once per attempt; breaker, retry and dead letter all go by its answer. */
export function classification(policy: ClassificationPolicy, reporter: Reporter): LayerInterceptor {
  return interceptor(
    reporter.integration,
    (next) => (attempt, options, handler) =>
      next(attempt, options, new ClassificationHandler(attempt, handler, policy, reporter)),
  )
}

import type { Dispatcher } from 'undici'
import { CircuitBreakerOpenError } from '../../src/errors.ts'
import { retry } from '../../src/index.ts'
import { systemScheduler } from '../../src/time/clock.ts'
import { FormerCircuit } from './former-circuit.ts'

/** The former defaults over real sockets: four attempts with full jitter around the former breaker. */
export function formerStack(agent: Dispatcher): Dispatcher {
  const circuit = new FormerCircuit(systemScheduler)
  const breaker: Dispatcher.DispatcherComposeInterceptor = (dispatch) => (options, handler) => {
    const admission = circuit.admit(performance.now())
    if (admission.kind === 'refused') {
      const error = new CircuitBreakerOpenError('open', {
        key: 'provider',
        retryAfterMs: admission.retryAfterMs,
      })
      handler.onResponseError?.(undefined as never, error)
      return true
    }
    const { generation } = circuit
    const probe = admission.kind === 'probe'
    return dispatch(options, {
      onRequestStart: (controller, context) => handler.onRequestStart?.(controller, context),
      onResponseStart(controller, statusCode, headers, statusMessage) {
        circuit.record(generation, statusCode >= 500, probe)
        handler.onResponseStart?.(controller, statusCode, headers, statusMessage)
      },
      onResponseData: (controller, chunk) => handler.onResponseData?.(controller, chunk),
      onResponseEnd: (controller, trailers) => handler.onResponseEnd?.(controller, trailers),
      onResponseError(controller, error) {
        circuit.record(generation, true, probe)
        handler.onResponseError?.(controller, error)
      },
    })
  }
  return agent.compose(breaker, retry({ maxAttempts: 4, jitter: 'full' }))
}

import { setTimeout as sleep } from 'node:timers/promises'
import type { Dispatcher } from 'undici'
import { circuitBreaker } from '../circuit/interceptor.ts'
import { resolveCircuitBreakerOptions } from '../circuit/options.ts'
import type { OpenedStore } from './open-store.ts'

/** How long the first word about a circuit may take, in milliseconds. */
const FIRST_VIEW_MS = 2_000

export interface ReplayDispatcher {
  readonly dispatcher: Dispatcher
  close(): Promise<void>
}

/**
 * What replays are sent with: a breaker of this run, so that an outage does not use up the replays of every entry, and
 * where the store is in Redis the circuits that live traffic shares. Each origin is its own circuit.
 */
export async function replayDispatcher(
  store: OpenedStore,
  origins: readonly string[],
): Promise<ReplayDispatcher> {
  const { Agent } = await import('undici')
  const agent = new Agent()
  const own = circuitBreaker({ name: 'replay' })
  if (store.redis === undefined) {
    return { dispatcher: agent.compose(own), close: () => agent.close() }
  }
  const shared = circuitBreaker({ name: 'replay', store })
  await firstViews(store, origins)
  return {
    dispatcher: agent.compose(obeying(store.circuits, shared), own),
    async close() {
      await shared.close()
      await agent.close()
    },
  }
}

/**
 * Through a closed circuit requests go uncounted: the application may count in windows of another length than ours, and
 * counts of both kinds in one window would spoil it. Otherwise the breaker refuses, or probes as every process does.
 */
function obeying(
  circuits: OpenedStore['circuits'],
  shared: Dispatcher.DispatcherComposeInterceptor,
): Dispatcher.DispatcherComposeInterceptor {
  return (dispatch) => {
    const guarded = shared(dispatch)
    return (options, handler) => {
      const { state } = circuits.state(new URL(String(options.origin)).origin)
      return state === 'closed' ? dispatch(options, handler) : guarded(options, handler)
    }
  }
}

/** Without it the first requests would go before this process has heard that a circuit is open. */
async function firstViews({ circuits }: OpenedStore, origins: readonly string[]): Promise<void> {
  const { policy } = resolveCircuitBreakerOptions({})
  for (const origin of origins) circuits.circuit(origin, policy)
  const deadline = performance.now() + FIRST_VIEW_MS
  while (origins.some((origin) => circuits.state(origin).epoch === 0) && performance.now() < deadline)
    await sleep(10)
}

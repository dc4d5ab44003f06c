import { setTimeout as sleep } from 'node:timers/promises'
import type { Dispatcher } from 'undici'
import { circuitBreaker } from '../../circuit/interceptor.ts'
import { resolveCircuitBreakerOptions } from '../../circuit/options.ts'
import type { OpenedStore } from '../stores/open-store.ts'

/** How long the first view of a circuit may take, in milliseconds. */
const FIRST_VIEW_MS = 2_000

interface ReplayDispatcher {
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
  const own = circuitBreaker({ integration: 'replay' })
  if (store.circuits.directory === undefined) {
    return { dispatcher: agent.compose(own), close: () => agent.close() }
  }
  const shared = circuitBreaker({ integration: 'replay', store })
  await waitForViews(store, origins)
  return {
    dispatcher: agent.compose(throughSharedCircuit(store.circuits, shared), own),
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
function throughSharedCircuit(
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

/** The circuits that live traffic shares, when their state is known; `undefined` where a run would begin with its own. */
export async function sharedCircuits(
  store: OpenedStore,
  origins: readonly string[],
): Promise<OpenedStore['circuits'] | undefined> {
  if (store.circuits.directory === undefined) return undefined
  await waitForViews(store, origins)
  return store.circuits
}

/** Otherwise the first requests would be sent before this process knows that a circuit is open. */
async function waitForViews({ circuits }: OpenedStore, origins: readonly string[]): Promise<void> {
  const { policy } = resolveCircuitBreakerOptions({})
  for (const origin of origins) circuits.circuit(origin, policy)
  const deadline = performance.now() + FIRST_VIEW_MS
  while (origins.some((origin) => circuits.state(origin).epoch === 0) && performance.now() < deadline) {
    await sleep(10)
  }
}

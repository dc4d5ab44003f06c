import { setTimeout as sleep } from 'node:timers/promises'
import { resolveCircuitBreakerOptions } from '../../src/circuit/options.ts'
import type { CircuitStore } from '../../src/circuit/store.ts'

/** Waits until transitions made by `from` reach `to` by push: both are connected, `to` is subscribed. */
export async function untilPushed(from: CircuitStore, to: CircuitStore): Promise<void> {
  const key = 'warm-up'
  const { policy } = resolveCircuitBreakerOptions({})
  from.circuit(key, policy)
  to.circuit(key, policy)
  for (const start = Date.now(); Date.now() - start < 10_000;) {
    await from.reset(key)
    const { epoch, degraded } = from.state(key)
    // well below the poll interval, which would bring it too
    for (let waited = 0; waited < 20 && !degraded; waited++) {
      if (to.state(key).epoch === epoch) return
      await sleep(2)
    }
    await sleep(5)
  }
  throw new Error('no transition was pushed within 10 s')
}

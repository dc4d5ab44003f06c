import type { Circuit, Probe } from './circuit.ts'

/**
 * Keeps a probe's lease alive while it runs, so that a slow one keeps its slot and that of a dead process soon ends,
 * and calls `expire` when the probe has taken `probeTimeoutMs`. Returns what ends the watch.
 */
export function watchProbe(circuit: Circuit, probe: Probe, expire: () => void): () => void {
  const { leaseMs, probeTimeoutMs } = circuit.policy
  const renewal = setInterval(() => circuit.renew(probe), Math.max(1, Math.floor(leaseMs / 3)))
  renewal.unref()
  const left = probeTimeoutMs - (performance.now() - probe.startedAt)
  const timer = setTimeout(
    () => {
      clearInterval(renewal)
      expire()
    },
    Math.max(1, left),
  )
  return () => {
    clearInterval(renewal)
    clearTimeout(timer)
  }
}

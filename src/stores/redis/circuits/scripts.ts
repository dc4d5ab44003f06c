import type { SyncStatus } from '../../../circuit/machine/machine.ts'
import { bucketMs, type CircuitPolicy } from '../../../circuit/machine/policy.ts'
import { WINDOW_BUCKETS } from '../../../circuit/machine/window.ts'
import { type Script, script } from '../script.ts'
import acquireSource from './lua/acquire.lua'
import clockSource from './lua/clock.lua'
import controlSource from './lua/control.lua'
import flushSource from './lua/flush.lua'
import lookSource from './lua/look.lua'
import machineSource from './lua/machine.lua'
import policySource from './lua/policy.lua'
import reportSource from './lua/report.lua'
import stateSource from './lua/state.lua'
import ttlSource from './lua/ttl.lua'

export interface CircuitScripts {
  readonly flush: Script
  readonly acquire: Script
  readonly report: Script
  readonly control: Script
  readonly look: Script
}

/** A few hundred bytes per circuit: a full server goes on telling processes to stop calling. */
const CHANGES = '#!lua flags=allow-oom'
const READS = '#!lua flags=no-writes,allow-oom'

/** @param clock the part that says what time it is: lua/clock.lua, which asks the server */
export function makeCircuitScripts(clock: string = clockSource): CircuitScripts {
  const change = (operation: string): Script =>
    script(CHANGES, clock, stateSource, policySource, ttlSource, machineSource, operation)
  return {
    flush: change(flushSource),
    acquire: change(acquireSource),
    report: change(reportSource),
    control: change(controlSource),
    look: script(READS, clock, stateSource, lookSource),
  }
}

export const circuitScripts: CircuitScripts = makeCircuitScripts()

/** As lua/policy.lua reads it. */
export function encodePolicy(policy: CircuitPolicy): string {
  return [
    bucketMs(policy),
    WINDOW_BUCKETS,
    policy.windowMs,
    policy.failureThreshold,
    policy.failureRate,
    policy.minimumRequests,
    policy.slowCallRate,
    policy.timeoutMs,
    policy.maxTimeoutMs,
    policy.halfOpenMaxAttempts,
    policy.quorum,
    policy.leaseMs,
  ].join(',')
}

const statuses: readonly string[] = ['created', 'same', 'behind', 'adopted', 'refused'] satisfies SyncStatus[]

export function decodeStatus(text: unknown): SyncStatus | undefined {
  return typeof text === 'string' && statuses.includes(text) ? (text as SyncStatus) : undefined
}

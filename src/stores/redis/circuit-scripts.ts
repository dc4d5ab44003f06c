import { createHash } from 'node:crypto'
import type { SyncStatus, View } from '../../circuit/machine.ts'
import { bucketMs, type CircuitPolicy } from '../../circuit/policy.ts'
import { WINDOW_BUCKETS } from '../../circuit/window.ts'
import acquireSource from './lua/circuit-acquire.lua'
import controlSource from './lua/circuit-control.lua'
import flushSource from './lua/circuit-flush.lua'
import machineSource from './lua/circuit-machine.lua'
import reportSource from './lua/circuit-report.lua'

export interface Script {
  readonly source: string
  readonly sha: string
}

function script(operation: string): Script {
  const source = `${machineSource}\n${operation}`
  return { source, sha: createHash('sha1').update(source).digest('hex') }
}

export const circuitScripts: Readonly<Record<'flush' | 'acquire' | 'report' | 'control', Script>> = {
  flush: script(flushSource),
  acquire: script(acquireSource),
  report: script(reportSource),
  control: script(controlSource),
}

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

const stateLetters = { closed: 'c', open: 'o', 'half-open': 'h' } as const
const overrideLetters = { isolated: 'i', 'forced-closed': 'f' } as const
const states: Readonly<Record<string, View['state']>> = { c: 'closed', o: 'open', h: 'half-open' }
const overrides: Readonly<Record<string, View['override']>> = {
  i: 'isolated',
  f: 'forced-closed',
  '-': undefined,
}
const statuses: readonly string[] = ['created', 'same', 'behind', 'adopted', 'refused'] satisfies SyncStatus[]

export function encodeView({ epoch, state, remainingMs, trips, override, by }: View): string {
  const letter = override === undefined ? '-' : overrideLetters[override]
  return `${epoch} ${stateLetters[state]} ${remainingMs} ${trips} ${letter} ${by === '' ? '-' : by}`
}

/** A view as a script or the channel sends it. `serverMs` is the server's time when it was made. */
export interface SentView {
  readonly view: View
  readonly serverMs: number
}

const sentView = /^(\d{1,16}) ([coh]) (\d{1,10}) (\d{1,4}) ([-if]) ([\w-]{1,64}) (\d{1,16})$/

/** `undefined` for anything that no script of ours has written. */
export function decodeView(text: unknown): SentView | undefined {
  const match = typeof text === 'string' ? sentView.exec(text) : null
  if (match === null) return undefined
  const [, epoch, state = '', remaining, trips, override = '', by = '', micros] = match
  if (!Number.isSafeInteger(Number(epoch))) return undefined
  return {
    view: {
      epoch: Number(epoch),
      state: states[state] ?? 'closed',
      remainingMs: Number(remaining),
      trips: Number(trips),
      override: overrides[override],
      by: by === '-' ? '' : by,
    },
    serverMs: Number(micros) / 1_000,
  }
}

export function decodeStatus(text: unknown): SyncStatus | undefined {
  return typeof text === 'string' && statuses.includes(text) ? (text as SyncStatus) : undefined
}

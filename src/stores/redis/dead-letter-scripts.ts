import { createHash } from 'node:crypto'
import captureSource from './lua/dead-letter-capture.lua'
import claimSource from './lua/dead-letter-claim.lua'
import commonSource from './lua/dead-letter-common.lua'
import discardSource from './lua/dead-letter-discard.lua'
import endSource from './lua/dead-letter-end.lua'
import evictSource from './lua/dead-letter-evict.lua'
import readSource from './lua/dead-letter-read.lua'
import renewSource from './lua/dead-letter-renew.lua'
import requeueSource from './lua/dead-letter-requeue.lua'
import settleSource from './lua/dead-letter-settle.lua'

export interface Script {
  readonly source: string
  readonly sha: string
}

/** In the order in which every script takes them. */
export interface DeadLetterKeys {
  readonly payloads: string
  readonly states: string
  readonly all: string
  readonly due: string
  readonly leases: string
  readonly totals: string
  readonly tombstones: string
  readonly orders: string
}

/** One hash tag: on a cluster all of it lies on one node, and one script may touch it all. */
export function deadLetterKeys(prefix: string): DeadLetterKeys {
  const base = `${prefix}{dead-letters}:`
  return {
    payloads: `${base}s`,
    states: `${base}st`,
    all: `${base}all`,
    due: `${base}due`,
    leases: `${base}lease`,
    totals: `${base}m`,
    tombstones: `${base}tomb`,
    orders: `${base}ord`,
  }
}

/**
 * A full server refuses a script with the first head before it writes anything, so what it took of a batch is whole.
 * What ends entries, and so frees memory, has the second one and goes on.
 */
const REFUSED_WHEN_FULL = '#!lua'
const ALLOWED_WHEN_FULL = '#!lua flags=allow-oom'

function script(head: string, ...parts: string[]): Script {
  const source = [head, commonSource, ...parts].join('\n')
  return { source, sha: createHash('sha1').update(source).digest('hex') }
}

export const deadLetterScripts = {
  capture: script(REFUSED_WHEN_FULL, endSource, evictSource, captureSource),
  claim: script(ALLOWED_WHEN_FULL, endSource, evictSource, claimSource),
  renew: script(ALLOWED_WHEN_FULL, renewSource),
  settle: script(ALLOWED_WHEN_FULL, endSource, settleSource),
  discard: script(ALLOWED_WHEN_FULL, endSource, discardSource),
  requeue: script(ALLOWED_WHEN_FULL, requeueSource),
  read: script(ALLOWED_WHEN_FULL, readSource),
} satisfies Record<string, Script>

import { type Script, script } from '../script.ts'
import captureSource from './lua/capture.lua'
import changeSource from './lua/change.lua'
import commonSource from './lua/common.lua'
import discardSource from './lua/discard.lua'
import endSource from './lua/end.lua'
import lapsedSource from './lua/lapsed.lua'
import leaseSource from './lua/lease.lua'
import mendSource from './lua/mend.lua'
import pageSource from './lua/page.lua'
import readSource from './lua/read.lua'
import renewSource from './lua/renew.lua'
import statsSource from './lua/stats.lua'

/**
 * How a script begins. A full server refuses the first kind before it writes anything, so what it took of a batch is
 * whole; what ends entries, and so frees memory, goes on there.
 */
const REFUSED_WHEN_FULL = `#!lua\n${commonSource}`
const ALLOWED_WHEN_FULL = `#!lua flags=allow-oom\n${commonSource}`
const WITHOUT_WRITES = `#!lua flags=no-writes\n${commonSource}`

export const deadLetterScripts = {
  capture: script(REFUSED_WHEN_FULL, endSource, captureSource),
  lapsed: script(ALLOWED_WHEN_FULL, endSource, lapsedSource),
  lease: script(ALLOWED_WHEN_FULL, leaseSource),
  renew: script(ALLOWED_WHEN_FULL, renewSource),
  change: script(ALLOWED_WHEN_FULL, endSource, changeSource),
  discard: script(ALLOWED_WHEN_FULL, endSource, discardSource),
  mend: script(ALLOWED_WHEN_FULL, mendSource),
  page: script(WITHOUT_WRITES, pageSource),
  read: script(WITHOUT_WRITES, readSource),
  stats: script(WITHOUT_WRITES, statsSource),
} satisfies Record<string, Script>

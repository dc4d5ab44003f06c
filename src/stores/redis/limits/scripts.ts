import clockSource from '../circuits/lua/clock.lua'
import { type Script, script } from '../script.ts'
import coolSource from './lua/cool.lua'
import coolingSource from './lua/cooling.lua'
import exchangeSource from './lua/exchange.lua'
import lookingSource from './lua/looking.lua'

export interface LimitScripts {
  readonly exchange: Script
  readonly cool: Script
  readonly cooling: Script
  readonly looking: Script
}

/** A few KB per limit: a full server goes on to keep to them. */
const CHANGES = '#!lua flags=allow-oom'
const READS = '#!lua flags=no-writes,allow-oom'

/** @param clock the part that says what time it is: that of the circuits, which asks the server */
export function makeLimitScripts(clock: string = clockSource): LimitScripts {
  return {
    exchange: script(CHANGES, clock, exchangeSource),
    cool: script(CHANGES, clock, coolSource),
    cooling: script(READS, clock, coolingSource),
    looking: script(READS, clock, lookingSource),
  }
}

export const limitScripts: LimitScripts = makeLimitScripts()

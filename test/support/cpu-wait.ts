import { readFileSync } from 'node:fs'

/**
 * How long the main thread of a process has waited for a processor so far, in milliseconds: what other processes of a busy
 * machine took from it. 0 where the system does not tell (it is Linux that does).
 */
export function cpuWaitMs(pid = process.pid): number {
  try {
    const [, waited = '0'] = readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').split(' ')
    return Math.round(Number(waited) / 1e6)
  } catch {
    return 0
  }
}

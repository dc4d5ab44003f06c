import type { ChildProcess } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'

/** Whoever stands still for so long may take an answer for lost. */
const STALL_MS = 300

/** What was done to a replayer, and when, in epoch milliseconds. */
export interface Fault {
  readonly kind: 'killed' | 'stalled'
  readonly from: number
  /** Infinity while it lasts; of a kill for ever. */
  to: number
}

/** Replayers, each a process, that are killed and stopped; what happened to each is known by its process id. */
export class FaultyReplayers {
  readonly counts = { killed: 0, stalled: 0 }
  readonly #start: () => ChildProcess
  readonly #running: ChildProcess[]
  readonly #faults = new Map<string, Fault[]>()
  readonly #resumed: Promise<void>[] = []
  readonly #beat: NodeJS.Timeout

  constructor(size: number, start: () => ChildProcess) {
    this.#start = start
    this.#running = Array.from({ length: size }, () => this.#started())
    // a machine that stands still has stalled all replayers
    let beatAt = Date.now()
    this.#beat = setInterval(() => {
      const from = beatAt
      beatAt = Date.now()
      if (beatAt - from < STALL_MS) return
      for (const log of this.#faults.values()) log.push({ kind: 'stalled', from, to: beatAt })
    }, 20)
  }

  #started(): ChildProcess {
    const child = this.#start()
    this.#faults.set(String(child.pid), [])
    return child
  }

  /** What happened to a process. */
  faultsOf(pid: string): readonly Fault[] {
    return this.#faults.get(pid) ?? []
  }

  /**
   * Kills one of them, and starts another in its place, or stops it for a while; whichever comes up. None that `isAtWork`
   * denies: on a busy machine they take seconds to come up, and faults before are none.
   */
  hurtOne(isAtWork: (pid: string) => boolean, stopMs: () => number): void {
    const at = Math.floor(Math.random() * this.#running.length)
    const victim = this.#running[at]!
    const pid = String(victim.pid)
    const log = this.#faults.get(pid)!
    if (!isAtWork(pid) || log.some((fault) => fault.to === Infinity)) return
    const kind = Math.random() < 0.5 ? 'killed' : 'stalled'
    const fault: Fault = { kind, from: Date.now(), to: Infinity }
    log.push(fault)
    this.counts[kind]++
    if (kind === 'killed') {
      victim.kill('SIGKILL')
      this.#running[at] = this.#started()
      return
    }
    victim.kill('SIGSTOP')
    this.#resumed.push(
      sleep(stopMs()).then(() => {
        fault.to = Date.now()
        victim.kill('SIGCONT')
      }),
    )
  }

  /** Resolves when none is stopped any longer. */
  async allGoOn(): Promise<void> {
    await Promise.all(this.#resumed)
  }

  end(): void {
    clearInterval(this.#beat)
    for (const child of this.#running) child.kill('SIGKILL')
  }
}

import type { Scheduler } from '../../../src/time/clock.ts'

interface Task {
  readonly at: number
  readonly order: number
  readonly run: () => void
  cancelled: boolean
}

/** Time that passes only when a test says so: tasks run by time, then in the order in which they came. */
export class VirtualClock implements Scheduler {
  readonly #random: () => number
  #now: number
  #order = 0
  readonly #heap: Task[] = []

  constructor(start = 0, random: () => number = () => 0.5) {
    this.#now = start
    this.#random = random
  }

  now(): number {
    return this.#now
  }

  random(): number {
    return this.#random()
  }

  after(ms: number, run: () => void): () => void {
    const task: Task = { at: this.#now + Math.max(0, ms), order: this.#order++, run, cancelled: false }
    const heap = this.#heap
    heap.push(task)
    for (let at = heap.length - 1; at > 0;) {
      const parent = (at - 1) >> 1
      if (!sooner(heap[at]!, heap[parent]!)) break
      ;[heap[at], heap[parent]] = [heap[parent]!, heap[at]!]
      at = parent
    }
    return () => void (task.cancelled = true)
  }

  /** Timers that run and were not cancelled. */
  get pending(): number {
    return this.#heap.filter((task) => !task.cancelled).length
  }

  /** Goes on to the next task and runs it. False when there is none. */
  step(): boolean {
    const task = this.#next()
    if (task === undefined) return false
    this.#take()
    this.#now = task.at
    task.run()
    return true
  }

  /** Lets time pass, and after each task what promises then have in hand. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms
    await settled()
    for (let next = this.#next(); next !== undefined && next.at <= end; next = this.#next()) {
      this.step()
      await settled()
    }
    this.#now = end
  }

  #next(): Task | undefined {
    while (this.#heap[0]?.cancelled === true) this.#take()
    return this.#heap[0]
  }

  #take(): void {
    const heap = this.#heap
    const last = heap.pop()!
    if (heap.length === 0) return
    heap[0] = last
    for (let at = 0; ;) {
      let least = at
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < heap.length && sooner(heap[child]!, heap[least]!)) least = child
      }
      if (least === at) break
      ;[heap[at], heap[least]] = [heap[least]!, heap[at]!]
      at = least
    }
  }
}

function sooner(a: Task, b: Task): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}

/** Resolves when everything that promises have in hand has happened. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

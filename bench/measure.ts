import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Subject } from './subjects.ts'

/** What each round of each subject gave; rounds of the same number ran side by side in time. */
export type Samples = Map<Subject, number[]>

/**
 * Each subject in a process of its own, all of them warm, measured in turn in many short slices: a neighbour that takes
 * the machine for a while slows all alike, and a median over rounds forgets it. Then once more with fresh processes,
 * since the optimiser does not come to the same code in each.
 */
export async function measure(
  script: string,
  subjects: readonly Subject[],
  args: readonly string[],
  { generations, rounds, calls }: { generations: number; rounds: number; calls: number },
): Promise<Samples> {
  const samples: Samples = new Map(subjects.map((subject) => [subject, []]))
  for (let generation = 0; generation < generations; generation++) {
    const children: [Subject, ChildProcess][] = []
    try {
      for (const subject of subjects) {
        const child = start(script, [subject, ...args])
        children.push([subject, child])
        await reply(child)
      }
      for (let round = 0; round < rounds; round++) {
        for (let turn = 0; turn < children.length; turn++) {
          // nobody always follows the same one
          const [subject, child] = children[(turn + round) % children.length] as [Subject, ChildProcess]
          child.send(calls)
          samples.get(subject)?.push(await reply(child))
        }
      }
    } finally {
      for (const [, child] of children) if (child.connected) child.disconnect()
    }
  }
  return samples
}

export function start(script: string, args: readonly string[] = []): ChildProcess {
  return fork(join(import.meta.dirname, script), args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
}

export async function reply(child: ChildProcess): Promise<number> {
  const ended = new AbortController()
  const exit = once(child, 'exit', { signal: ended.signal }).then(([code]) => {
    throw new Error(`${child.spawnargs.slice(1).join(' ')} ended with ${String(code)}`)
  })
  exit.catch(() => undefined)
  try {
    const [value] = (await Promise.race([once(child, 'message', { signal: ended.signal }), exit])) as [number]
    return value
  } finally {
    ended.abort()
  }
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  return ((sorted[Math.ceil(middle) - 1] ?? NaN) + (sorted[Math.floor(middle)] ?? NaN)) / 2
}

/** The median over rounds of a subject's share of what another one took in the same round. */
export function ratio(samples: Samples, subject: Subject, to: Subject): number {
  const others = samples.get(to) ?? []
  return median((samples.get(subject) ?? []).map((value, round) => value / (others[round] ?? NaN)))
}

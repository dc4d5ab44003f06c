import { type ChildProcess, spawn, type SpawnOptions } from 'node:child_process'
import { onPath } from './binary.ts'

/** What a test has started and not ended yet: it goes when the test's process exits, whatever it exits of. */
const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) signalGroup(child, 'SIGKILL')
})

let guard: readonly string[] | undefined

/** Linux: the child gets SIGKILL when this process ends, however it does; the pid is that of the child. */
function dieWithParent(): readonly string[] {
  const path = onPath('setpriv')
  return path === undefined ? [] : [path, '--pdeathsig', 'KILL']
}

/** A server of the test's own, with the last that it said on standard output and error. */
export interface OwnChild {
  readonly child: ChildProcess
  /** The last 4,000 characters. */
  readonly output: () => string
  /** Whether it has ended, or never started. */
  readonly ended: () => boolean
  readonly gone: Promise<void>
}

/** Starts a server that ends with this process. With `detached` it leads a group, which ends as a whole. */
export function ownChild(command: string, args: readonly string[], options: SpawnOptions = {}): OwnChild {
  guard ??= dieWithParent()
  const [first = command, ...before] = [...guard, command]
  const child = spawn(first, [...before, ...args], { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
  running.add(child)
  let output = ''
  let isOver = false
  const note = (chunk: Buffer): void => void (output = (output + chunk.toString()).slice(-4_000))
  child.stdout?.on('data', note)
  child.stderr?.on('data', note)
  const gone = new Promise<void>((resolve) => {
    const over = (): void => {
      isOver = true
      running.delete(child)
      resolve()
    }
    child.once('error', (error) => {
      output += String(error)
      over()
    })
    child.once('exit', over)
  })
  return { child, output: () => output, ended: () => isOver, gone }
}

/** To the whole group where it leads one, as a shell does that starts others. */
export function signalGroup(child: ChildProcess, name: NodeJS.Signals): void {
  if (child.pid === undefined) return // it never started
  signal(-child.pid, name)
  signal(child.pid, name)
}

/** To a process that may have ended meanwhile. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** Ends it by a signal, by SIGKILL where that is not enough within `patienceMs`; one that is frozen too. */
export async function end(
  { child, ended, gone }: OwnChild,
  name: NodeJS.Signals,
  patienceMs = 5_000,
): Promise<void> {
  if (ended()) return
  signalGroup(child, 'SIGCONT')
  signalGroup(child, name)
  const late = setTimeout(() => signalGroup(child, 'SIGKILL'), patienceMs)
  await gone
  clearTimeout(late)
}

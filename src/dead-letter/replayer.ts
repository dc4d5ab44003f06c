import { durationOption } from '../options.ts'
import { Reporter } from '../telemetry/reporter.ts'
import { runReplay } from './replay.ts'
import { type ReplayOptions, resolveReplayOptions } from './replay-options.ts'
import type { ReplaySummary } from './replay-summary.ts'
import type { DeadLetterStore } from './store.ts'

export interface ReplayerOptions extends Omit<ReplayOptions, 'ids' | 'dryRun' | 'signal'> {
  /** The wait between two runs, in milliseconds, spread by half in both directions. Default 30,000. */
  intervalMs?: number
}

export interface Replayer {
  /** What the last run did; `undefined` before its end. */
  readonly lastRun: ReplaySummary | undefined
  /** Starts a run now, unless one is running, and waits for its end. */
  run(): Promise<ReplaySummary>
  /** Ends it: nothing more is sent, what is being sent is finished and recorded. */
  close(): Promise<void>
}

/**
 * Replays dead letters again and again until closed. Any number of processes may do so on one store. A run that fails
 * because the store is away is logged, and the next one comes all the same.
 *
 * @throws TypeError, RangeError naming option, bound and value
 * @example
 * const replayer = startReplayer(stack.deadLetters, {
 *   allowedOrigins: ['https://api.hubapi.com'],
 *   credentials: () => ({ authorization: `Bearer ${token}` }),
 * })
 * process.on('SIGTERM', () => void replayer.close())
 */
export function startReplayer(deadLetters: DeadLetterStore, options: ReplayerOptions): Replayer {
  const { intervalMs = 30_000, ...replay } = options
  const closing = new AbortController()
  const plan = { ...resolveReplayOptions(replay), signal: closing.signal }
  const wait = durationOption('intervalMs', intervalMs, 1)
  const reporter = new Reporter('replay', plan.logger)
  let timer: NodeJS.Timeout | undefined
  let running: Promise<ReplaySummary> | undefined
  let lastRun: ReplaySummary | undefined

  function run(): Promise<ReplaySummary> {
    clearTimeout(timer)
    running ??= runReplay(deadLetters, plan)
      .then((summary) => (lastRun = summary))
      .finally(() => {
        running = undefined
        schedule()
      })
    return running
  }

  function schedule(): void {
    if (closing.signal.aborted) return
    clearTimeout(timer)
    timer = setTimeout(
      () => void run().catch((error: unknown) => reporter.hookFailed('startReplayer', error)),
      wait * (0.5 + Math.random()),
    )
  }

  schedule()
  return {
    get lastRun() {
      return lastRun
    },
    run,
    async close() {
      closing.abort()
      clearTimeout(timer)
      // its failure was told to whoever started the run
      await running?.catch(() => undefined)
    },
  }
}

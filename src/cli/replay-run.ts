import {
  replayDeadLetters,
  type ReplayOptions,
  type ReplayProgress,
  type ReplaySummary,
} from '../dead-letter/replay.ts'
import type { OpenedStore } from './open-store.ts'
import { replayDispatcher } from './replay-dispatcher.ts'
import { emptySummary } from '../dead-letter/replay-summary.ts'
import { addSummary } from './replay-summary.ts'

/** Ids are claimed together, a hundred at a time. */
const CHUNK = 100
const MAX_LEASE_MS = 600_000

type Passed = Pick<
  Required<ReplayOptions>,
  | 'allowedOrigins'
  | 'credentials'
  | 'filter'
  | 'ratePerSecond'
  | 'concurrency'
  | 'timeoutMs'
  | 'maxReplays'
  | 'missingHeaders'
  | 'unknownDelivery'
  | 'dryRun'
  | 'signal'
>

export interface ReplayRunOptions extends Passed {
  /** Only these; otherwise what is due of the filter. */
  readonly ids: readonly string[] | undefined
  readonly limit: number | undefined
  readonly seal: ReplayOptions['seal'] | undefined
  /** `before`: the runs that are over. */
  readonly onProgress: (progress: ReplayProgress, before: ReplaySummary) => void
}

/** Replays what was chosen, in as many runs as it takes, and adds them up. */
export async function runReplay(store: OpenedStore, options: ReplayRunOptions): Promise<ReplaySummary> {
  const { ids, limit, filter, seal, onProgress, ...passed } = options
  const { signal } = passed
  const total = emptySummary()
  const sender = passed.dryRun ? undefined : await replayDispatcher(store, passed.allowedOrigins)
  const shared: ReplayOptions = {
    ...passed,
    leaseMs: leaseFor(options),
    ...(seal === undefined ? {} : { seal }),
    ...(sender === undefined ? {} : { dispatcher: sender.dispatcher }),
    onProgress: (progress) => onProgress(progress, total),
  }
  const run = async (part: Partial<ReplayOptions>): Promise<void> => {
    addSummary(total, await replayDeadLetters(store.deadLetters, { ...shared, ...part }))
  }
  try {
    if (ids === undefined) await run(limit === undefined ? { filter } : { filter, limit })
    for (let at = 0; at < (ids?.length ?? 0) && !signal.aborted; at += CHUNK) {
      await run({ ids: ids?.slice(at, at + CHUNK) ?? [] })
    }
  } finally {
    await sender?.close()
  }
  if (signal.aborted) total.cancelled = true
  return total
}

/** Long enough for the last of a chunk to have its turn. */
function leaseFor({ ids, timeoutMs, ratePerSecond, concurrency }: ReplayRunOptions): number {
  const least = Math.max(60_000, timeoutMs + 10_000)
  if (ids === undefined) return least
  const held = Math.min(CHUNK, ids.length)
  const turns = (held / ratePerSecond) * 1000 + Math.ceil(held / concurrency) * timeoutMs
  return Math.ceil(Math.max(least, Math.min(MAX_LEASE_MS, turns)))
}

import type { ReplayOptions, ReplayProgress } from '../../dead-letter/replay/options.ts'
import { emptySummary, type ReplaySummary } from '../../dead-letter/replay/summary.ts'
import { defined, type Filled } from '../../options.ts'
import { type ReplayClassifyOptions, replayDeadLetters } from '../../replay.ts'
import type { OpenedStore } from '../stores/open-store.ts'
import { replayDispatcher, sharedCircuits } from './dispatcher.ts'
import { addSummary } from './summary.ts'
import type { ReplayTargets } from './targets.ts'

/** Ids are claimed together, a hundred at a time. */
const CHUNK = 100
const MAX_LEASE_MS = 600_000

type Passed = Pick<
  Filled<ReplayOptions>,
  | 'allowedOrigins'
  | 'credentials'
  | 'ratePerSecond'
  | 'concurrency'
  | 'timeoutMs'
  | 'maxReplays'
  | 'missingHeaders'
  | 'requireSeal'
  | 'dryRun'
  | 'signal'
>

interface ReplayRunOptions extends Passed {
  readonly targets: ReplayTargets
  readonly limit: number | undefined
  readonly seal: ReplayOptions['seal'] | undefined
  readonly decide: ReplayOptions['decide'] | undefined
  readonly classify: ReplayClassifyOptions['classify'] | undefined
  readonly inspectBody: ReplayClassifyOptions['inspectBody'] | undefined
  /** Default: `replay` where a person has named each entry, `hold` otherwise. */
  readonly unknownDelivery: ReplayOptions['unknownDelivery'] | undefined
  /** `before`: the runs that are over. */
  readonly onProgress: (progress: ReplayProgress, before: ReplaySummary) => void
}

interface ReplayRun {
  readonly summary: ReplaySummary
  /**
   * Ids among the targets that had no turn; `whyNotReplayed` says why. Empty when the run was cancelled.
   */
  readonly untouched: readonly string[]
}

/** Replays what was chosen, in as many runs as it takes, and adds them up. */
export async function runReplay(store: OpenedStore, options: ReplayRunOptions): Promise<ReplayRun> {
  const { targets, limit, seal, decide, classify, inspectBody, unknownDelivery, onProgress, ...passed } =
    options
  const { ids, filter, named } = targets
  const { signal } = passed
  const total = emptySummary()
  const touched = new Set<string>()
  const sender = passed.dryRun ? undefined : await replayDispatcher(store, passed.allowedOrigins)
  const circuits = passed.dryRun ? await sharedCircuits(store, passed.allowedOrigins) : undefined
  const shared: ReplayOptions & ReplayClassifyOptions = {
    ...passed,
    ...defined({ seal, decide, classify, inspectBody, circuits }),
    leaseMs: leaseFor(options),
    unknownDelivery: unknownDelivery ?? (named ? 'replay' : 'hold'),
    ...(sender === undefined ? {} : { dispatcher: sender.dispatcher }),
    onProgress: (progress) => {
      touched.add(progress.id)
      onProgress(progress, total)
    },
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
  const untouched = total.cancelled ? [] : (ids ?? []).filter((id) => !touched.has(id))
  return { summary: total, untouched }
}

/** Long enough for the last of a chunk to have its turn. */
function leaseFor({ targets, timeoutMs, ratePerSecond, concurrency }: ReplayRunOptions): number {
  const least = Math.max(60_000, timeoutMs + 10_000)
  if (targets.ids === undefined) return least
  const held = Math.min(CHUNK, targets.ids.length)
  const turns = (held / ratePerSecond) * 1000 + Math.ceil(held / concurrency) * timeoutMs
  return Math.ceil(Math.max(least, Math.min(MAX_LEASE_MS, turns)))
}

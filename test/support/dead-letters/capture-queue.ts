import { CaptureQueue, type CaptureQueueOptions } from '../../../src/dead-letter/capture/queue/queue.ts'
import { localDeadLetters } from '../../../src/dead-letter/local/local-dead-letters.ts'
import type { DeadLetterRecord } from '../../../src/dead-letter/record/record.ts'
import type { DeadLetterSink } from '../../../src/dead-letter/store/sink.ts'
import type { DeadLetterStore } from '../../../src/dead-letter/store/store.ts'
import { Reporter } from '../../../src/telemetry/reporter.ts'

/** A store whose `add` can be made to fail, hang or lose its reply. */
export function unreliable(): DeadLetterStore & {
  mode: 'up' | 'fail' | 'hang' | 'lose-reply'
  adds: number
} {
  const inner = localDeadLetters({ maxRecords: 50_000 })
  const store = Object.assign(Object.create(inner) as DeadLetterStore, {
    mode: 'up' as 'up' | 'fail' | 'hang' | 'lose-reply',
    adds: 0,
  })
  for (const name of [
    'get',
    'list',
    'stats',
    'claim',
    'renew',
    'settle',
    'requeue',
    'discard',
    'close',
  ] as const) {
    Object.defineProperty(store, name, { value: (inner[name] as () => unknown).bind(inner) })
  }
  store.add = async (records, options) => {
    store.adds++
    if (store.mode === 'fail') throw new Error('connection refused')
    if (store.mode === 'hang') await new Promise(() => undefined)
    const result = await inner.add(records, options)
    if (store.mode === 'lose-reply') throw new Error('reply lost')
    return result
  }
  return store
}

/** A store that fails whatever batch holds one of the records. */
export function picky(refuses: readonly DeadLetterRecord[]): ReturnType<typeof unreliable> & {
  refuses: readonly DeadLetterRecord[]
  error: Error
} {
  const store = Object.assign(unreliable(), { refuses, error: new Error('datatype mismatch') })
  const add = store.add.bind(store)
  store.add = async (records, options) => {
    if (records.some(({ id }) => store.refuses.some((bad) => bad.id === id))) throw store.error
    return add(records, options)
  }
  return store
}

const queues: CaptureQueue[] = []

export function queueOn(store: DeadLetterSink, options: Partial<CaptureQueueOptions> = {}): CaptureQueue {
  const queue = new CaptureQueue({
    store,
    spool: undefined,
    maxQueued: 10_000,
    maxQueuedBytes: 64 * 1024 * 1024,
    storeTimeoutMs: 50,
    spoolAfterMs: 25,
    onDrop: undefined,
    reporter: new Reporter('test', quiet),
    logger: quiet,
    ...options,
  })
  queues.push(queue)
  return queue
}

export const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined }

/** To be called after each test. */
export async function closeQueues(): Promise<void> {
  for (const queue of queues.splice(0)) await queue.close(0)
}

export async function total(store: DeadLetterStore): Promise<number> {
  return (await store.stats()).total
}

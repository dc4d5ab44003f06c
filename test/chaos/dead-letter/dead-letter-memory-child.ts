import { Dispatcher, request } from 'undici'
import { deadLetter } from '../../../src/dead-letter/interceptor.ts'
import { sqliteStore } from '../../../src/stores/sqlite/sqlite-store.ts'
import { channels } from '../../../src/telemetry/channels.ts'

// Makes calls whose bodies are one and the same buffer, lets all of them fail in the same moment, and writes what became
// of them and the most memory that the process took, as JSON. Without a path it does so without dead letters.
const [path = '', calls = '0', bytes = '0', maxQueuedBytes = '0'] = process.argv.slice(2)

/** Answers 503 to all requests at once, when the last has come. */
class AllAtOnce extends Dispatcher {
  readonly #waiting: (() => void)[] = []

  override dispatch(_options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const controller = {
      aborted: false,
      paused: false,
      reason: null,
      pause() {},
      resume() {},
      abort() {},
    } as never
    handler.onRequestStart?.(controller, {})
    this.#waiting.push(() => {
      handler.onResponseStart?.(controller, 503, {}, 'Service Unavailable')
      handler.onResponseEnd?.(controller, {})
    })
    if (this.#waiting.length === Number(calls)) {
      setImmediate(() => this.#waiting.forEach((answer) => answer()))
    }
    return true
  }
}

const counts = { calls: 0, captured: 0, durable: 0, dropped: 0, handed: 0, withBody: 0, maxRssBytes: 0 }
channels.deadLetterCaptured.subscribe(() => counts.captured++)
channels.deadLetterDurable.subscribe(() => counts.durable++)
channels.deadLetterDropped.subscribe(() => counts.dropped++)

const store = path === '' ? undefined : sqliteStore(path)
const letters =
  store &&
  deadLetter({
    store,
    maxBodyBytes: Number(bytes),
    maxQueuedBytes: Number(maxQueuedBytes),
    onDrop: (record) => {
      counts.handed++
      if (record.request.body !== undefined) counts.withBody++
    },
  })
const dispatcher = letters === undefined ? new AllAtOnce() : new AllAtOnce().compose(letters)
const body = Buffer.alloc(Number(bytes), 'order ')
await Promise.all(
  Array.from({ length: Number(calls) }, async () => {
    const response = await request('https://api.example.com/orders', { method: 'POST', body, dispatcher })
    await response.body.dump()
    counts.calls++
  }),
)
await letters?.close({ timeoutMs: 60_000 })
await store?.close()
counts.maxRssBytes = process.resourceUsage().maxRSS * 1024
process.stdout.write(JSON.stringify(counts))

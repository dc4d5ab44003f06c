import { openSync, writeSync } from 'node:fs'
import { Agent, type Dispatcher } from 'undici'
import { replayDeadLetters } from '../../../src/replay.ts'
import { type FleetPlace, fleetServer } from '../../support/fleet/fleet-server.ts'

// Replays again and again until it is killed. Tells the provider which process sends, and writes a line for each request that
// it is about to write, and for what became of it: "done" once the store has settled it, "unanswered".
const [place = '{}', origin = '', lease = '1000', logPath = ''] = process.argv.slice(2)
const leaseMs = Number(lease)
const { store } = fleetServer(JSON.parse(place) as FleetPlace, {})

const log = openSync(logPath, 'a')
// one write: a kill leaves a whole line or none
const note = (what: string, id: string): void =>
  void writeSync(log, `${what} ${id} ${process.pid} ${Date.now()}\n`)

/** The last moment that is ours before a request is written. */
const noteSending: Dispatcher.DispatcherComposeInterceptor = (dispatch) => (options, handler) =>
  dispatch(options, {
    onRequestStart(controller, context) {
      note('sending', options.path.slice(1))
      handler.onRequestStart?.(controller, context)
    },
    onResponseStart: (...answer) => handler.onResponseStart?.(...answer),
    onResponseData: (...data) => handler.onResponseData?.(...data),
    onResponseEnd: (...end) => handler.onResponseEnd?.(...end),
    onResponseError: (...failure) => handler.onResponseError?.(...failure),
  })
const dispatcher = new Agent({ connections: 8 }).compose(noteSending)

for (;;) {
  try {
    await replayDeadLetters(store.deadLetters, {
      allowedOrigins: [origin],
      dispatcher,
      credentials: () => ({ 'x-replayer': String(process.pid) }),
      onProgress({ id, outcome, statusCode }) {
        if (outcome === 'done') note('done', id)
        else if (outcome === 'failed' && statusCode === undefined) note('unanswered', id)
      },
      concurrency: 4,
      ratePerSecond: Infinity,
      leaseMs,
      timeoutMs: leaseMs - 300,
      // what a kill takes with it may be the same entry each time
      maxReplays: 100,
      initialBackoffMs: 50,
      maxBackoffMs: 400,
    })
  } catch (error) {
    process.stderr.write(`${String(error)}\n`)
  }
  await new Promise((resolve) => setTimeout(resolve, 50))
}

import { request } from 'undici'
import { expect, it, onTestFinished, vi } from 'vitest'
import { retry } from '../../../../src/retry/interceptor.ts'
import { ScriptedDispatcher } from '../../../support/calls/scripted-dispatcher.ts'

const BACKOFF_MS = 3_600_000
const body = Buffer.alloc(60_000, 'x')
/** More of them than 16 MiB hold. */
const CALLS = 290
const FITTING = Math.floor((16 * 1_024 * 1_024) / body.length)

function fakeTime() {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] })
  onTestFinished(() => void vi.useRealTimers())
  return (ms: number) => vi.advanceTimersByTimeAsync(ms)
}

type Pass = ReturnType<typeof fakeTime>

/** Calls that all fail, with a budget for the retry of one, so that the failures of the others are kept. */
async function crowd(pass: Pass) {
  const server = new ScriptedDispatcher()
  let failing = true
  server.answer = (attempt) => {
    attempt.start()
    if (failing) attempt.head(503).data(body).end()
    else attempt.head(200).end()
  }
  const own = retry({
    maxAttempts: 2,
    initialBackoffMs: BACKOFF_MS,
    maxBackoffMs: BACKOFF_MS,
    jitter: 'none',
    budget: { burst: 1, perSecond: 0, ratio: 0 },
  })
  onTestFinished(() => own.close())
  const dispatcher = server.compose(own)
  const caller = new AbortController()
  const bytes: number[] = []
  const all: Promise<void>[] = []
  for (let made = 0; made <= CALLS; made++) {
    all.push(
      request('http://api.test/', { dispatcher, signal: caller.signal })
        .then(async (response) => void bytes.push((await response.body.arrayBuffer()).byteLength))
        .catch(() => undefined),
    )
    // a budget has room for the calls of a second
    await pass(2_100)
  }
  return { caller, own, all, bytes, recover: () => (failing = false) }
}

it.each<[string, (calls: Awaited<ReturnType<typeof crowd>>, pass: Pass) => unknown]>([
  ['are aborted', ({ caller }) => caller.abort()],
  ['are closed', ({ own }) => own.close()],
  ['have their failure', (_, pass) => pass(BACKOFF_MS)],
  [
    'are tried again',
    ({ recover }, pass) => {
      recover()
      return pass(BACKOFF_MS)
    },
  ],
])(
  '16 MiB are kept over all calls, the others have theirs at once; and as much again when they %s',
  async (_, end) => {
    const pass = fakeTime()
    const calls = await crowd(pass)
    expect(calls.bytes).toEqual(Array.from({ length: CALLS - FITTING }, () => body.length))
    await end(calls, pass)
    await Promise.all(calls.all)
    const { bytes, caller } = await crowd(pass)
    expect(bytes).toHaveLength(CALLS - FITTING)
    caller.abort()
  },
)

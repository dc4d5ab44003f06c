import { createHook } from 'node:async_hooks'
import { getHeapStatistics } from 'node:v8'
import type { Dispatcher } from 'undici'
import { beforeAll, expect, it } from 'vitest'
import { memoryStore, resilience } from '../../../src/index.ts'
import { InstantDispatcher } from '../../support/calls/instant-dispatcher.ts'

// What a healthy call may cost, counted and not timed. Raise a number only with the reason in the commit.

let ended = 0
const sink: Dispatcher.DispatchHandler = {
  onRequestStart: () => undefined,
  onResponseStart: () => undefined,
  onResponseData: () => undefined,
  onResponseEnd: () => void ended++,
  onResponseError: (_controller, error) => {
    throw error
  },
}
const options = (): Dispatcher.DispatchOptions => ({
  origin: 'https://api.example.com',
  path: '/v1/contacts/1',
  method: 'GET',
  headers: { accept: '*/*' },
})

interface Guarded {
  make: () => Dispatcher.DispatcherComposeInterceptor
  /** Bytes of the JavaScript heap that it adds to a call on a dispatcher that answers at once. */
  mostBytes: number
}

const stacks: Record<string, Guarded> = {
  'the standard stack': { make: () => resilience(), mostBytes: 1_050 },
  'the stack on a store that is handed in': {
    make: () => resilience({ store: memoryStore() }),
    mostBytes: 1_050,
  },
  'the stack with a limit': {
    make: () => resilience({ rateLimit: { limits: [{ limit: 1e9, intervalMs: 60_000 }] } }),
    mostBytes: 1_150,
  },
  'the stack with both timeouts': {
    make: () => resilience({ attemptTimeoutMs: 10_000, totalTimeoutMs: 30_000 }),
    mostBytes: 1_050,
  },
}

function calls(dispatcher: Dispatcher, count: number): void {
  for (let made = 0; made < count; made++) dispatcher.dispatch(options(), sink)
}

/**
 * Bytes allocated per call: no collection may come between, so the smallest of several rounds is taken. Code that is not
 * optimised yet allocates more, and on a busy machine the optimiser takes its time: each round gives it a turn.
 */
async function bytesPerCall(dispatcher: Dispatcher): Promise<number> {
  calls(dispatcher, 20_000)
  let least = Infinity
  for (let round = 0; round < 30; round++) {
    await new Promise<void>((resolve) => setImmediate(resolve))
    globalThis.gc!()
    const before = getHeapStatistics().used_heap_size
    calls(dispatcher, 1_000)
    const grown = getHeapStatistics().used_heap_size - before
    // a collection in between gives back more than was allocated
    if (grown > 0) least = Math.min(least, grown / 1_000)
  }
  return least
}

let bare: number

beforeAll(async () => {
  bare = await bytesPerCall(new InstantDispatcher())
})

it.each(Object.entries(stacks))(
  '%s makes one async resource per call: no promise, no timer, no task',
  (_name, { make }) => {
    const dispatcher = new InstantDispatcher().compose(make())
    calls(dispatcher, 10)
    const made: string[] = []
    const hook = createHook({ init: (_id, type) => void made.push(type) })
    hook.enable()
    ended = 0
    calls(dispatcher, 100)
    hook.disable()
    expect(ended).toBe(100)
    expect(made).toEqual(Array.from({ length: 100 }, () => 'undici-resilience.call'))
  },
)

it.each(Object.entries(stacks))(
  '%s allocates little for a healthy call',
  async (_name, { make, mostBytes }) => {
    const added = (await bytesPerCall(new InstantDispatcher().compose(make()))) - bare
    expect(added).toBeGreaterThan(0)
    expect(added).toBeLessThanOrEqual(mostBytes)
  },
)

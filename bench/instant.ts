import type { Dispatcher } from 'undici'
import { InstantDispatcher } from '../test/support/calls/instant-dispatcher.ts'
import { serve } from './child.ts'
import { Sink } from './sink.ts'
import { prepare, type Subject } from './subjects.ts'

// Nanoseconds of CPU per call on a dispatcher that answers at once: what a layer itself costs.
//   instant.ts <subject> fetch|request

const WARM_UP = 300_000

const requestHeaders = {
  accept: '*/*',
  'accept-language': '*',
  'sec-fetch-mode': 'cors',
  'user-agent': 'node',
  'accept-encoding': 'gzip, deflate',
}

const requestOptions: Record<string, unknown> = { dispatcher: {}, headers: requestHeaders }

/**
 * What each hands to a dispatcher, an object of its own for each call, made as undici 8.13 makes it (lib/web/fetch/index.js,
 * index.js): what copying it costs depends on that.
 */
const shapes = {
  fetch: () => ({
    path: '/v1/contacts/1',
    origin: 'https://api.example.com',
    method: 'GET' as const,
    body: null,
    __mockAgentBodyForDispatch: null,
    headers: requestHeaders,
    maxRedirections: 0,
    upgrade: undefined,
    ...(null as object | null),
  }),
  request: () => {
    const { agent: _agent, dispatcher: _dispatcher, ...rest } = requestOptions
    return {
      ...rest,
      origin: 'https://api.example.com',
      path: '/v1/contacts/1',
      method: requestOptions['method'] ?? 'GET',
    }
  },
}

const options = shapes[process.argv[3] as keyof typeof shapes] as unknown as () => Dispatcher.DispatchOptions
const { dispatcher, around } = await prepare(process.argv[2] as Subject, new InstantDispatcher())

const call = (): Promise<void> =>
  new Promise((resolve) => void dispatcher.dispatch(options(), new Sink(resolve)))

async function run(calls: number): Promise<void> {
  if (around === undefined) {
    for (let made = 0; made < calls; made++) dispatcher.dispatch(options(), new Sink())
  } else {
    for (let made = 0; made < calls; made++) await around(call)
  }
}

serve(WARM_UP, async (calls) => {
  Sink.ended = 0
  // CPU time, not the clock's: a neighbour may take the core away in the middle
  const before = process.cpuUsage()
  await run(calls)
  const { user, system } = process.cpuUsage(before)
  if (Sink.ended !== calls) throw new Error(`${Sink.ended} of ${calls} calls came to their end`)
  return ((user + system) * 1000) / calls
})

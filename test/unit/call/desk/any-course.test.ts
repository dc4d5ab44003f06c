import type { Dispatcher } from 'undici'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { deadLetter, type DeadLetterInterceptor } from '../../../../src/dead-letter/interceptor.ts'
import { resilience } from '../../../../src/resilience.ts'
import { type CallDoneEvent, channels } from '../../../../src/telemetry/channels.ts'
import { TransportDispatcher } from '../../../support/calls/transport-dispatcher.ts'
import { seeded } from '../../../support/simulation/random.ts'

type Layers = {
  letters: Pick<DeadLetterInterceptor, 'deadLetters'>
  layers: Dispatcher.DispatcherComposeInterceptor[]
  close: () => Promise<unknown>
}

const endings = {
  failed: Object.assign(new Error('reset'), { code: 'ECONNRESET' }),
  odd: new Error('something else'),
  late: new DOMException('too late', 'TimeoutError') as Error,
  left: new Error('the caller left'),
  broken: new Error('the body failed'),
  thrown: new Error('the handler threw'),
}
/** Ends that are the caller's, and no failure. */
const byCaller = new Set<unknown>([endings.left, endings.broken, endings.thrown])
const statuses = [200, 204, 400, 404, 429, 500, 502, 503]
const callbacks = [
  'onRequestStart',
  'onResponseStart',
  'onResponseData',
  'onResponseEnd',
  'onBodySent',
] as const
const bodies = ['none', 'text', 'chunks', 'held', 'failing'] as const
const wholeBody = { none: '', text: 'one', chunks: 'onetwo', held: 'onetwo', failing: 'never' }
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

type Step = (scene: Scene) => void | Promise<void>
interface Scene {
  readonly server: TransportDispatcher
  readonly controller: () => Dispatcher.DispatchController | undefined
  readonly goOn: () => void
  readonly breakBody: () => void
}

/** What happens to a call, from its start on: the server's part, the caller's, and the body's. */
interface Course {
  readonly steps: readonly Step[]
  readonly body: (typeof bodies)[number]
  readonly throwsIn: (typeof callbacks)[number] | undefined
}

function courseOf(random: () => number): Course {
  const oneOf = <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)]!
  const step = (): Step => {
    const kind = random()
    if (kind < 0.1) return ({ server }) => server.sent?.head(103)
    if (kind < 0.3) {
      const status = oneOf(statuses)
      return ({ server }) => server.sent?.head(status)
    }
    if (kind < 0.45) return ({ server }) => server.sent?.data()
    if (kind < 0.5) return ({ server }) => server.sent?.end()
    if (kind < 0.62) {
      const error = oneOf([endings.failed, endings.odd])
      return ({ server }) => server.sent?.fail(error)
    }
    if (kind < 0.72) {
      const reason = oneOf([endings.left, endings.late])
      return ({ controller }) => controller()?.abort(reason)
    }
    // and a turn, since a recorded body comes some microtasks later
    if (kind < 0.78) return ({ goOn }) => (goOn(), turn())
    if (kind < 0.82) return ({ breakBody }) => (breakBody(), turn())
    return turn
  }
  return {
    steps: Array.from({ length: 1 + Math.floor(random() * 8) }, step),
    body: oneOf(bodies),
    throwsIn: random() < 0.2 ? oneOf(callbacks) : undefined,
  }
}

interface Heard {
  readonly statusCode: number | undefined
  /** What the caller's handler was told, in order; of the end as `error` says. */
  readonly told: readonly string[]
  readonly ended: boolean
  readonly error: unknown
}

async function play({ steps, body, throwsIn }: Course, layers: Layers['layers']): Promise<Heard> {
  const server = new TransportDispatcher()
  const told: string[] = []
  let statusCode: number | undefined
  let error: unknown
  let ended = false
  let controller: Dispatcher.DispatchController | undefined
  const { promise: gate, resolve: goOn, reject } = Promise.withResolvers<void>()
  gate.catch(() => undefined)
  async function* chunks(): AsyncGenerator<Buffer> {
    yield Buffer.from('one')
    if (body !== 'chunks') await gate
    if (body === 'failing') throw endings.broken
    yield Buffer.from('two')
  }
  const tell = (callback: string, line = callback): void => {
    told.push(line)
    if (callback === throwsIn) throw endings.thrown
  }
  const given = body === 'none' ? undefined : body === 'text' ? 'one' : chunks()
  const options = { origin: 'http://crm.test', path: '/', method: 'POST', body: given } as never
  const dispatcher = layers.length === 0 ? server : server.compose(...layers)
  dispatcher.dispatch(options, {
    onRequestStart: (one) => {
      controller = one
      tell('onRequestStart')
    },
    onResponseStart: (_controller, status) => {
      if (status >= 200) statusCode = status
      tell('onResponseStart', `onResponseStart ${status}`)
    },
    onResponseData: () => tell('onResponseData'),
    onResponseEnd: () => {
      ended = true
      tell('onResponseEnd')
    },
    onResponseError: (_controller, failure) => {
      error = failure
      tell('onResponseError')
    },
    // how much of a body is sent before something else happens is a matter of microtasks
    onBodySent: () => {
      if (throwsIn === 'onBodySent') throw endings.thrown
    },
  })
  server.sent?.start()
  if (throwsIn === 'onBodySent') await turn()
  const scene = { server, controller: () => controller, goOn, breakBody: () => reject(endings.broken) }
  for (const step of steps) await step(scene)
  goOn()
  for (let i = 0; i < 5; i++) await turn()
  if (statusCode === undefined) server.sent?.head(200)
  server.sent?.end()
  await turn()
  return { statusCode, told, ended, error }
}

/** Lines of the log that tell of a lost call. */
const lost: string[] = []
const logger = {
  info: () => undefined,
  warn: () => undefined,
  error: (_context: object, message: string) => void lost.push(message),
}
const done: CallDoneEvent[] = []
const hear = (event: CallDoneEvent): void => void done.push(event)
beforeEach(() => {
  done.length = 0
  channels.callDone.subscribe(hear)
})
afterEach(() => channels.callDone.unsubscribe(hear))

/** One call at a time finds room: what is not given back is missed by the next. */
const room = { maxQueued: 1 } as const
const common = { circuitBreaker: false, rateLimit: false, retry: { maxAttempts: 1 }, logger } as const

test.each<[string, () => Layers]>([
  [
    'dead letters alone',
    () => {
      const letters = deadLetter({ ...room, logger })
      return { letters, layers: [letters], close: () => letters.close() }
    },
  ],
  [
    'a stack',
    () => {
      const letters = resilience({
        ...common,
        circuitBreaker: { failureThreshold: 1e6 },
        rateLimit: { cooldown: false },
        bulkhead: { limit: 1 },
        attemptTimeoutMs: 60_000,
        totalTimeoutMs: 60_000,
        deadLetter: room,
      })
      return { letters, layers: [letters], close: () => letters.close() }
    },
  ],
  [
    'dead letters under a stack',
    () => {
      const letters = deadLetter({ ...room, logger })
      const stack = resilience({ ...common, deadLetter: false })
      return {
        letters,
        layers: [letters, stack],
        close: () => Promise.all([letters.close(), stack.close()]),
      }
    },
  ],
])(
  'whatever becomes of a call through %s, its caller hears what it hears without, and all that is told of it is true',
  async (_which, make) => {
    const { letters, layers, close } = make()
    for (let seed = 1; seed <= 250; seed++) {
      const course = courseOf(seeded(seed))
      const bare = await play(course, [])
      done.length = lost.length = 0
      const heard = await play(course, layers)
      const { items } = await letters.deadLetters.list()
      const whole = items[0] && (await letters.deadLetters.get(items[0].id))
      await letters.deadLetters.discard(items.map(({ id }) => id))

      const about = `seed ${seed}, ${course.body}`
      const { statusCode, ended, error } = heard
      // it may hear of its failure a little later, once its body is read, and leave before it does
      const leftBefore =
        (error === endings.left || error === endings.late) &&
        (bare.error === endings.failed || bare.error === endings.odd)
      if (!leftBefore) expect(heard, about).toEqual(bare)
      const failed =
        statusCode === undefined ? error !== undefined && !byCaller.has(error) : statusCode >= 429
      expect(items.length, about).toBe(failed ? 1 : 0)
      expect(lost, about).toEqual(failed ? [expect.stringMatching(/^dead letter captured/)] : [])
      const outcome = ended ? 'response' : byCaller.has(error) ? 'cancelled' : 'error'
      expect(done, about).toMatchObject([{ outcome, statusCode, deadLetterId: items[0]?.id }])
      const { replayable, request } = whole ?? {}
      if (replayable === true) {
        expect(String(request?.body ?? ''), about).toBe(wholeBody[course.body])
      }
    }
    await close()
  },
)

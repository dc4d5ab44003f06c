import { type Dispatcher, request } from 'undici'
import { expect, it } from 'vitest'
import type { RecordedBody } from '../../../src/call/body/recorded-body.ts'
import { interceptor, send } from '../../../src/call/layer.ts'
import { circuitBreaker } from '../../../src/circuit/interceptor.ts'
import { classification } from '../../../src/classification/interceptor.ts'
import { type Classify, inspectNothing } from '../../../src/classification/options.ts'
import { Reporter } from '../../../src/telemetry/reporter.ts'
import { ScriptedDispatcher } from '../../support/calls/scripted-dispatcher.ts'

const origin = 'https://api.example.com'

/** Sends every call twice at once, the second beside the first; the caller gets what the second answers. */
const twice = interceptor('twice', (dispatch) => (first, options, handler) => {
  const { call } = first
  const recorded = call.recordUpTo(options, 1_000)
  send(dispatch, first, recorded, { onResponseStart: () => undefined, onResponseError: () => undefined })
  const second = call.nextAttempt()
  const own = second.optionsFrom(recorded)
  if (recorded.body !== null && recorded.body !== undefined) {
    own.body = (recorded.body as unknown as RecordedBody).beside() as never
  }
  return send(dispatch, second, own, handler)
})

function classified(verdicts: string[]): Dispatcher.DispatcherComposeInterceptor {
  const classify: Classify = ({ statusCode, headers }) => {
    verdicts.push(`${statusCode} ${String(headers['x-id'])}`)
    return statusCode === 299 ? { kind: 'transient', circuitFailure: true } : { kind: 'success' }
  }
  return classification({ classify, inspectBody: inspectNothing }, new Reporter('test'))
}

it('keeps the verdict of each of two attempts in flight apart, for the breaker above it', async () => {
  const server = new ScriptedDispatcher()
  const breaker = circuitBreaker({ failureThreshold: 1, minimumRequests: 1, failureRate: 0 })
  const answer = request(origin, { dispatcher: server.compose(classified([]), breaker, twice) })
  const [first, second] = server.attempts
  first!.start()
  second!.start()
  second!.head(200)
  // the first one's verdict comes when the second has its own already
  first!.head(299)
  second!.end()
  expect((await answer).statusCode).toBe(200)
  expect(breaker.circuits.state(origin)).toMatchObject({ state: 'open' })
})

it('lets two attempts in flight send the same one-shot body whole', async () => {
  const server = new ScriptedDispatcher()
  async function* source() {
    for (const part of ['ab', 'cd', 'ef']) {
      await Promise.resolve()
      yield Buffer.from(part)
    }
  }
  const answer = request(origin, {
    dispatcher: server.compose(twice),
    method: 'PUT',
    body: source() as never,
  })
  const sent = await Promise.all(
    server.attempts.map(async ({ options }) => {
      const chunks: Buffer[] = []
      for await (const chunk of options.body as unknown as AsyncIterable<Buffer>) chunks.push(chunk)
      return Buffer.concat(chunks).toString()
    }),
  )
  expect(sent).toEqual(['abcdef', 'abcdef'])
  server.attempts[1]!.respond(200)
  await (await answer).body.dump()
})

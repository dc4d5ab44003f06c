import { request } from 'undici'
import { beforeEach, expect, it, onTestFinished } from 'vitest'
import { interceptor, send } from '../../../src/call/layer.ts'
import { type Wait, Waits } from '../../../src/call/wait.ts'
import { ShutdownError } from '../../../src/errors.ts'
import { ScriptedDispatcher } from '../../support/calls/scripted-dispatcher.ts'

const url = 'https://api.example.com/items?token=secret'
let server: ScriptedDispatcher
let waits: Waits
let begun: { wait: Wait; go: () => void; stopped: boolean }[]

/** Waits before every dispatch until the test says go. */
const waiting = () =>
  interceptor('shop', (dispatch) => (attempt, options, handler) => {
    const entry = { stopped: false, wait: undefined as never as Wait, go: () => undefined as void }
    entry.wait = waits.begin(attempt, {
      stopped: () => void (entry.stopped = true),
      failed: (error) => handler.onResponseError?.(attempt.call.controller, error),
    })
    entry.go = () => void entry.wait.go(() => send(dispatch, attempt, options, handler))
    begun.push(entry)
    return true
  })

beforeEach(() => {
  server = new ScriptedDispatcher()
  server.answer = (attempt) => attempt.respond(200)
  waits = new Waits('shop')
  begun = []
})

it('goes on when the wait comes to its own end', async () => {
  const answer = request(url, { dispatcher: server.compose(waiting()) })
  begun[0]!.go()
  expect((await answer).statusCode).toBe(200)
  expect(begun[0]!.stopped).toBe(false)
})

it('ends with the abort of the caller, and lets nothing follow', async () => {
  const abort = new AbortController()
  const answer = request(url, { dispatcher: server.compose(waiting()), signal: abort.signal })
  abort.abort(new Error('left'))
  await expect(answer).rejects.toThrow('left')
  expect(begun[0]!.stopped).toBe(true)
  begun[0]!.go()
  expect(server.attempts).toEqual([])
})

it('ends by close with a ShutdownError that names integration, method and url, and no secret', async () => {
  const answers = [1, 2].map(() => request(url, { dispatcher: server.compose(waiting()) }))
  waits.close()
  for (const answer of answers) {
    const error: unknown = await answer.catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(ShutdownError)
    expect(error).toMatchObject({
      code: 'ERR_SHUTDOWN',
      message: 'shop: GET https://api.example.com/items was waiting when the stack was closed',
      url: 'https://api.example.com/items?token=[redacted]',
    })
  }
  expect(begun.every(({ stopped }) => stopped)).toBe(true)
  begun[0]!.go()
  expect(server.attempts).toEqual([])
  expect(waits.closed).toBe(true)
})

it('ends every wait by close where the handler of a caller throws, which is told as uncaught', async () => {
  const uncaught: Error[] = []
  const listeners = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  process.on('uncaughtException', (error) => void uncaught.push(error))
  onTestFinished(() => {
    process.removeAllListeners('uncaughtException')
    for (const listener of listeners) process.on('uncaughtException', listener)
  })
  const dispatcher = server.compose(waiting())
  const thrown = new Error('of a caller')
  dispatcher.dispatch(
    { origin: 'https://api.example.com', path: '/', method: 'GET' },
    {
      onRequestStart: () => undefined,
      onResponseError: () => {
        throw thrown
      },
    },
  )
  const answer = request(url, { dispatcher })
  waits.close()
  await expect(answer).rejects.toBeInstanceOf(ShutdownError)
  await expect.poll(() => uncaught).toEqual([thrown])
})

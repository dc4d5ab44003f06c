import type { Dispatcher } from 'undici'
import { describe, expect, it } from 'vitest'
import { resilience, type ResilienceOptions, withCallOptions } from '../../../src/index.ts'
import { ScriptedDispatcher } from '../../support/calls/scripted-dispatcher.ts'

// A dispatcher under the stack, a mock or a cache perhaps, may go on as if it had not been aborted.

class Caller implements Dispatcher.DispatchHandler {
  readonly heard: string[] = []
  onRequestStart(): void {}
  onResponseStart(_controller: unknown, statusCode: number): void {
    this.heard.push(`headers ${statusCode}`)
  }
  onResponseData(): void {
    this.heard.push('data')
  }
  onResponseEnd(): void {
    this.heard.push('end')
  }
  onResponseError(_controller: unknown, error: Error & { scope?: string }): void {
    this.heard.push(`${error.name} of the ${error.scope}`)
  }
}

const request = { origin: 'https://api.example.com', path: '/', method: 'GET' } as const

describe.each<[string, 'attempt' | 'call', ResilienceOptions]>([
  ['an attempt', 'attempt', { attemptTimeoutMs: 20 }],
  ['a call', 'call', { totalTimeoutMs: 20 }],
  ['a call whose attempts have as much time', 'call', { attemptTimeoutMs: 30, totalTimeoutMs: 30 }],
])('%s that took too long', (_what, scope, limits) => {
  describe.each<[string, (send: () => void) => void]>([
    ['without options of its own', (send) => send()],
    ['with options of its own', (send) => withCallOptions({ labels: { order: '7' } }, send)],
  ])('%s', (_which, own) => {
    it('lets nothing through that its attempt still says, and is captured once', async () => {
      const server = new ScriptedDispatcher()
      const stack = resilience({ ...limits, retry: false })
      const caller = new Caller()
      const dispatcher = server.compose(stack)
      own(() => void dispatcher.dispatch(request, caller))
      const [attempt] = server.attempts
      attempt!.start()
      await expect.poll(() => caller.heard).toHaveLength(1)
      attempt!.head(500).data(Buffer.from('late')).end()
      attempt!.fail(new Error('late'))
      expect(caller.heard).toEqual([expect.stringContaining('RequestTimeoutError of the ')])
      expect((await stack.deadLetters.list()).items).toHaveLength(1)
      expect(stack.circuits.state(request.origin)).toMatchObject({ requests: 1, failures: 1 })
      await stack.close()
    })

    it('is aborted when a connection takes it up only then', async () => {
      const server = new ScriptedDispatcher()
      const stack = resilience({ ...limits, retry: false })
      const caller = new Caller()
      const dispatcher = server.compose(stack)
      own(() => void dispatcher.dispatch(request, caller))
      await expect.poll(() => caller.heard).toHaveLength(1)
      const [attempt] = server.attempts
      attempt!.start()
      expect(attempt!.aborted).toMatchObject({ code: 'ERR_TIMEOUT' })
      expect(caller.heard).toHaveLength(1)
      expect((await stack.deadLetters.list()).items).toMatchObject([
        { delivery: 'not-sent', reason: scope === 'call' ? 'deadline' : 'exhausted' },
      ])
      await stack.close()
    })
  })
})

import { Dispatcher, request } from 'undici'
import { expect, it } from 'vitest'
import { retry } from '../../src/index.ts'
import { runtimeFault } from '../../src/runtime.ts'

it.each([
  [{ node: '20.19.5' }, true, /^undici-resilience needs Node.js 22.19 or later, got 20.19.5$/],
  [{ node: '22.18.0' }, false, /^undici-resilience needs Node.js 22.19 or later, got 22.18.0$/],
  [{ node: '24.3.0', bun: '1.3.0' }, false, /^undici-resilience is for Node.js: the fetch of Bun \(1.3.0\) /],
  [
    { node: '24.2.0', deno: '2.5.0' },
    false,
    /^undici-resilience is for Node.js: the fetch of Deno \(2.5.0\) /,
  ],
])('says in one sentence what is wrong with %j', (versions, fatal, sentence) => {
  expect(runtimeFault(versions)).toEqual({ fatal, sentence: expect.stringMatching(sentence) as string })
})

it.each(['22.19.0', '22.22.1', '24.0.0', '26.1.0'])('has nothing to say of Node %s', (node) => {
  expect(runtimeFault({ node })).toBeUndefined()
})

it('says that a dispatcher is of undici 6, whose answer to our handlers says nothing', async () => {
  class OldDispatcher extends Dispatcher {
    override dispatch(_options: Dispatcher.DispatchOptions, handler: object): boolean {
      if (!('onError' in handler)) throw new Error('invalid onError method')
      return true
    }
  }
  const dispatcher = new OldDispatcher().compose(retry())
  await expect(request('http://a.example/', { dispatcher })).rejects.toThrow(
    'undici-resilience needs undici 7 or later: the dispatcher is of an older one',
  )
})

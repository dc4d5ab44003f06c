import { Agent, type Dispatcher, getGlobalDispatcher, setGlobalDispatcher } from 'undici'
import { afterAll, afterEach, beforeAll } from 'vitest'
import { type DeadLetterPage, memoryStore, resilience, type ResilienceStack } from '../../../src/index.ts'
import type { ProviderPreset } from '../../../src/providers/hubspot.ts'
import type { FakeProvider } from './fakes/fake-provider.ts'
import { guardSecrets } from './guard-secrets.ts'

interface GlobalStack {
  /** The stack of the test in hand. */
  readonly stack: ResilienceStack
  /** Puts the preset on the global dispatcher, as an application would, and starts the fake. */
  globally<Fake extends FakeProvider>(preset: ProviderPreset, fake: Fake): Promise<Fake>
  /** What the stack kept, after the last capture. */
  letters(): Promise<DeadLetterPage['items']>
}

/**
 * For the tests of a file that drives an SDK: a stack on the global dispatcher for each test, the dispatcher of before
 * behind the last, and no secret in anything that the stacks leave.
 */
export function globalStack(secrets: readonly string[]): GlobalStack {
  const keepRecords = guardSecrets(secrets)
  let before: Dispatcher
  let stack: ResilienceStack
  let running: FakeProvider

  beforeAll(() => {
    before = getGlobalDispatcher()
  })
  afterEach(async () => {
    await stack.close()
    await keepRecords(stack)
    await running.close()
  })
  afterAll(() => setGlobalDispatcher(before))

  return {
    get stack() {
      return stack
    },
    async globally(preset, fake) {
      stack = resilience({ ...preset, retry: { ...preset.retry, initialBackoffMs: 1 }, store: memoryStore() })
      setGlobalDispatcher(new Agent().compose(stack))
      running = await fake.start()
      return fake
    },
    async letters() {
      await stack.close()
      return (await stack.deadLetters.list()).items
    },
  }
}

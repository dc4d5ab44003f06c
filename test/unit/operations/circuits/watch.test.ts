import { expect, test, vi } from 'vitest'
import type {
  CircuitDirectory,
  CircuitWatcher,
  StoredCircuit,
} from '../../../../src/circuit/shared/directory.ts'
import { watchCircuits } from '../../../../src/operations/circuits/watch.ts'
import type { OpenedStore } from '../../../../src/operations/stores/open-store.ts'
import { memoryCircuits } from '../../../../src/stores/memory/circuits.ts'

const circuit = (key: string, since: number): StoredCircuit => ({
  key,
  state: 'open',
  override: undefined,
  retryAfterMs: 100,
  trips: 1,
  since,
  by: 'p1',
})

/** A store whose directory a test plays. */
function setUp() {
  const list = Promise.withResolvers<StoredCircuit[]>()
  const ended = vi.fn()
  let watcher: CircuitWatcher | undefined
  const directory: CircuitDirectory = {
    list: () => list.promise,
    find: () => Promise.resolve(undefined),
    overrule: () => Promise.reject(new Error('not asked for')),
    watch: (given) => {
      watcher = given
      return Promise.resolve(ended)
    },
  }
  const store = { shown: 'redis://there', circuits: { ...memoryCircuits(), directory } } as OpenedStore
  const told: string[] = []
  const stop = new AbortController()
  const watch = watchCircuits(store, ({ key, since }) => told.push(`${key} ${since}`), stop.signal)
  watch.catch(() => undefined)
  const watching = (): Promise<CircuitWatcher> =>
    vi.waitFor(() => watcher ?? expect.fail('no watch yet'), 10_000)
  return { list, ended, watching, told, stop, watch }
}

test('tells every circuit, then each change, until it is stopped', async () => {
  const { list, ended, watching, told, stop, watch } = setUp()
  const watcher = await watching()
  list.resolve([circuit('a', 1), circuit('b', 2)])
  await vi.waitFor(() => expect(told).toEqual(['a 1', 'b 2']), 10_000)
  watcher.changed(circuit('a', 3))
  stop.abort()
  await watch
  expect(told).toEqual(['a 1', 'b 2', 'a 3'])
  expect(ended).toHaveBeenCalledOnce()
})

test('a list that is older than what was told meanwhile does not go back', async () => {
  const { list, watching, told, stop, watch } = setUp()
  const watcher = await watching()
  watcher.changed(circuit('a', 5))
  watcher.changed(circuit('b', 2))
  list.resolve([circuit('a', 4), circuit('b', 3), circuit('c', 1)])
  stop.abort()
  await watch
  expect(told).toEqual(['a 5', 'b 2', 'b 3', 'c 1'])
})

test('fails when the connection is lost, also while the list is on its way', async () => {
  const { list, ended, watching, watch } = setUp()
  const watcher = await watching()
  watcher.lost(new Error('ECONNRESET'))
  list.resolve([])
  await expect(watch).rejects.toMatchObject({
    message: 'the connection to redis://there was lost',
    kind: 'store-unavailable',
  })
  expect(ended).toHaveBeenCalledOnce()
})

test('a store whose circuits are those of each process has nothing to watch', async () => {
  const store = { shown: 'sqlite:letters.db', circuits: memoryCircuits() } as unknown as OpenedStore
  await expect(watchCircuits(store, () => undefined, new AbortController().signal)).rejects.toThrow(
    'sqlite:letters.db keeps dead letters only',
  )
})

import { describe, expect, it } from 'vitest'
import type { DeadLetterSink } from '../../../src/dead-letter/store/sink.ts'
import { memoryStore } from '../../../src/stores/memory/memory-store.ts'
import { deadLetterSinkContract } from '../../../src/testing/contracts/dead-letter-sink.ts'
import { deadLetterStoreContract } from '../../../src/testing/contracts/dead-letter-store/contract.ts'
import type { TestRunner } from '../../../src/testing/contracts/runner.ts'

/** A test runner that keeps what fails. */
async function failuresOf(
  suite: (runner: TestRunner) => void,
): Promise<{ failed: string[]; passed: number }> {
  const tests: { name: string; body: () => void | Promise<void> }[] = []
  const before: (() => Promise<void>)[] = []
  const after: (() => Promise<void>)[] = []
  suite({
    describe: (_name, body) => body(),
    it: (name, body) => tests.push({ name, body }),
    beforeEach: (body) => before.push(body),
    afterEach: (body) => after.push(body),
  })
  const failed: string[] = []
  for (const { name, body } of tests) {
    for (const hook of before) await hook()
    try {
      await body()
    } catch {
      failed.push(name)
    }
    for (const hook of after) await hook()
  }
  return { failed, passed: tests.length - failed.length }
}

/** A queue in memory; `faults` changes what it does. */
function queue(faults: Partial<DeadLetterSink> = {}): { sink: DeadLetterSink; ids: Set<string> } {
  const ids = new Set<string>()
  let closed = false
  const sink: DeadLetterSink = {
    add(records) {
      if (closed) return Promise.reject(new Error('closed'))
      for (const { id } of records) ids.add(id)
      return Promise.resolve({
        kept: records.map(({ id }) => id),
        duplicates: 0,
        settled: [],
        evicted: [],
        refused: [],
      })
    },
    close() {
      closed = true
      return Promise.resolve()
    },
    ...faults,
  }
  return { sink, ids }
}

const sinkFailures = (make: () => ReturnType<typeof queue>) =>
  failuresOf((runner) =>
    deadLetterSinkContract(runner, 'mine', () => {
      const { sink, ids } = make()
      return Promise.resolve({ sink, arrived: () => Promise.resolve([...ids]), dispose: () => sink.close() })
    }),
  )

describe('the contract suites', () => {
  it('pass a sink that does what it must', async () => {
    expect(await sinkFailures(() => queue())).toEqual({ failed: [], passed: 7 })
  })

  it('find a sink that says of records that it has them, and has not', async () => {
    const { failed } = await sinkFailures(() => ({ ...queue(), ids: new Set<string>() }))
    expect(failed).toContain('has the records when `add` resolves, and says so of each')
  })

  it('find a sink that takes records after `close`', async () => {
    const { failed } = await sinkFailures(() => queue({ close: () => Promise.resolve() }))
    expect(failed).toEqual(['rejects what comes after `close`'])
  })

  it('find a store of dead letters that settles nothing', async () => {
    const { failed } = await failuresOf((runner) =>
      deadLetterStoreContract(
        runner,
        'mine',
        (retention) => {
          const { deadLetters: good } = memoryStore({ deadLetters: { maxRecords: 20_000, ...retention } })
          const store = new Proxy(good, {
            get(target, name) {
              if (name === 'settle') return () => Promise.resolve('done')
              const value: unknown = Reflect.get(target, name)
              return typeof value === 'function' ? (value.bind(target) as unknown) : value
            },
          })
          return Promise.resolve({
            store,
            advance: () => Promise.resolve(),
            other: () => Promise.resolve(store),
            dispose: () => good.close(),
          })
        },
        { keptAs: 'objects' },
      ),
    )
    expect(failed).toContain('removes what is done, and says so once')
    expect(failed).toContain('quarantines after maxReplays')
    expect(failed).not.toContain('gives back every field and the body byte for byte')
  })
})

import { getGlobalDispatcher } from 'undici'
import { afterAll, expect, vi } from 'vitest'
import { channels } from '../../../src/telemetry/channels.ts'

// For test files that share a process: each has modules of its own, and leaves the process to the next as it found it.
vi.resetModules()

/** What a test may put others in the place of. */
const functions: [owner: object, ...names: string[]][] = [
  [
    globalThis,
    'setTimeout',
    'clearTimeout',
    'setInterval',
    'clearInterval',
    'setImmediate',
    'queueMicrotask',
  ],
  [globalThis, 'Date', 'fetch'],
  [Date, 'now'],
  [performance, 'now'],
  [Math, 'random'],
  [process, 'nextTick', 'hrtime', 'emitWarning'],
]

/** What of a process outlives a test file. */
function found(): Map<string, unknown> {
  const all = new Map<string, unknown>([
    ['the global dispatcher', getGlobalDispatcher()],
    ['the working directory', process.cwd()],
  ])
  for (const [owner, ...names] of functions) {
    for (const name of names) all.set(`the function ${name}`, Reflect.get(owner, name))
  }
  for (const [name, value] of Object.entries(process.env)) all.set(`the variable ${name}`, value)
  for (const event of process.eventNames()) {
    all.set(`the listeners of ${String(event)}`, process.listenerCount(event))
  }
  for (const [name, { hasSubscribers }] of Object.entries(channels)) {
    all.set(`the listeners of ${name}`, hasSubscribers)
  }
  return all
}

const before = found()
afterAll(() => {
  const after = found()
  // names only: what stands in an environment may be a secret
  const changed = [...new Set([...before.keys(), ...after.keys()])].filter(
    (name) => !Object.is(before.get(name), after.get(name)),
  )
  expect(changed, 'what this file changed of the process that it shares').toEqual([])
})

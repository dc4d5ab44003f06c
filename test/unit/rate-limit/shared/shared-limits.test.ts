import { beforeEach, describe, expect, it } from 'vitest'
import type { LimitBackend } from '../../../../src/rate-limit/shared/backend.ts'
import { SharedLimits } from '../../../../src/rate-limit/shared/shared-limits.ts'
import type { LimiterPolicy } from '../../../../src/rate-limit/store.ts'
import { VirtualClock } from '../../../support/simulation/virtual-clock.ts'

const key = 'https://api.example.com'
const policy: LimiterPolicy = { limits: [], maxQueue: 10, processes: 1 }

let clock: VirtualClock
let asked: string[]
/** What another process has told the server: the answer to a cool-down. */
let left: number
let limits: SharedLimits
beforeEach(() => {
  clock = new VirtualClock(1_000)
  asked = []
  left = 0
  const backend: LimitBackend = {
    idOf: (one) => one,
    exchange: (requests) => Promise.resolve(requests.map(() => new Error('no reply'))),
    cool(_id, ms) {
      asked.push('cool')
      return Promise.resolve(Math.max(ms, left))
    },
    clear() {
      asked.push('clear')
      return Promise.resolve()
    },
    cooling() {
      asked.push('cooling')
      return Promise.resolve([{ id: key, ms: left }])
    },
  }
  limits = new SharedLimits(backend, clock, 'a')
})

const cools = (ms: number): void => {
  const { store } = limits
  store.cooled({ key, ms, statusCode: 429 }, store.place(key), policy)
}

describe('limits that processes share', () => {
  it('hold as long as another process was told to', async () => {
    left = 30_000
    cools(50)
    await limits.flush()
    expect(limits.store.state(key).retryAfterMs).toBe(30_000)
  })

  it('stay ended for who was told so while it read the cool-downs as they were before', async () => {
    left = 30_000
    limits.subscribed()
    // the answer and the message come on two connections
    limits.pushed({ kind: 'clear', id: key })
    await limits.flush()
    expect(limits.store.state(key).retryAfterMs).toBe(0)
    await clock.advance(1)
    limits.subscribed()
    await limits.flush()
    expect(limits.store.state(key).retryAfterMs).toBe(30_000)
  })

  it('are those of this process alone once they are closed: nobody is asked or told', async () => {
    await limits.close()
    left = 30_000
    cools(50)
    limits.connected()
    limits.subscribed()
    limits.pushed({ kind: 'cool', id: key, ms: 30_000 })
    await limits.flush()
    expect(limits.store.state(key).retryAfterMs).toBe(50)
    await limits.store.clear(key)
    expect(limits.store.state(key).retryAfterMs).toBe(0)
    expect(asked).toEqual([])
  })
})

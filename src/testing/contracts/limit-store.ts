import { setTimeout as sleep } from 'node:timers/promises'
import type { Waiting } from '../../rate-limit/limiter.ts'
import type { LimiterPolicy, LimitStore } from '../../rate-limit/store.ts'
import { eventually } from './eventually.ts'
import { expect } from './expect.ts'
import { patient, type TestRunner } from './runner.ts'

/** A store of limits to be tested. */
export interface LimitStoreFixture {
  readonly store: LimitStore
  /** The store as another process has it; the same one where nothing is shared. */
  readonly other: LimitStore
  /** Closes both, which a test may have closed already, and takes away what they have written. */
  dispose(): Promise<void>
}

const LIMIT = 20
const WINDOW_MS = 1_000

const policy: LimiterPolicy = {
  limits: [{ limit: LIMIT, intervalMs: WINDOW_MS, windowMs: WINDOW_MS, reserved: 0, cost: undefined }],
  maxQueue: 1_000,
  processes: 2,
}

let keys = 0

/**
 * What every `LimitStore` must do.
 * @param name of the store, in the names of the tests
 * @param make makes a store for each test; `other` is over the same server where processes share it
 */
export function limitStoreContract(
  runner: TestRunner,
  name: string,
  make: () => Promise<LimitStoreFixture>,
): void {
  const { describe, it, beforeEach, afterEach } = patient(runner)
  describe(`limit store contract: ${name}`, () => {
    let fixture: LimitStoreFixture
    let key: string
    let both: readonly LimitStore[]

    beforeEach(async () => {
      fixture = await make()
      both = [fixture.store, fixture.other]
      key = `https://contract-${++keys}.test`
    })
    afterEach(() => fixture.dispose())

    /** A call, as the interceptor makes it: goes at once or waits in line. Resolves to when it went. */
    const call = (store: LimitStore): Promise<number> => {
      const limiter = store.limiter(key, policy)
      if (limiter.passes(limiter.ones, performance.now(), false)) return Promise.resolve(performance.now())
      return new Promise((resolve, reject) => {
        const waiting: Waiting = {
          inLine: false,
          previousInLine: undefined,
          nextInLine: undefined,
          units: limiter.ones,
          background: false,
          waitsUntil: Infinity,
          release: () => resolve(performance.now()),
          refuse: (by) => reject(new Error(`refused by the ${by}`)),
        }
        limiter.join(waiting)
      })
    }
    const calls = (store: LimitStore, count: number): Promise<number[]> =>
      Promise.all(Array.from({ length: count }, () => call(store)))
    const cooling = (): boolean[] => both.map((store) => store.state(key).coolUntil !== undefined)

    it('gives one limiter and one place per key', () => {
      expect(fixture.store.limiter(key, policy)).toBe(fixture.store.limiter(key, policy))
      expect(fixture.store.limiter(`${key}/other`, policy)).not.toBe(fixture.store.limiter(key, policy))
      expect(fixture.store.place(key)).toBe(fixture.store.place(key))
    })

    it('tells the state of a key that was never used, without making a limiter', () => {
      expect(fixture.store.state(key)).toMatchObject({ key, used: 0, waiting: 0, retryAfterMs: 0 })
      expect(fixture.store.cooling(key)).toBeUndefined()
      expect(fixture.store.list().filter((one) => one.key === key)).toEqual([])
    })

    it('lets no more calls go in any window than the limit, over all processes, and each in the end', async () => {
      const went = (await Promise.all(both.map((store) => calls(store, LIMIT)))).flat()
      expect(went).toHaveLength(2 * LIMIT)
      for (const at of went) {
        const within = went.filter((other) => other >= at && other < at + WINDOW_MS).length
        expect(within).toBeLessThanOrEqual(LIMIT)
      }
    })

    it('holds all calls of a key back in a cool-down that the provider asked for', async () => {
      const { store } = fixture
      store.cooled({ key, ms: 400, statusCode: 429 }, store.place(key), policy)
      const start = performance.now()
      expect(store.state(key).retryAfterMs).toBeGreaterThan(0)
      await eventually(() => expect(cooling()).toEqual([true, true]))
      expect(both.map((one) => one.quiet)).toEqual([false, false])
      const went = await Promise.all(both.map(call))
      // a timer of another process may have heard of it a little later, never earlier
      for (const at of went) expect(at - start).toBeGreaterThanOrEqual(395)
    })

    it('keeps the longer of two cool-downs', async () => {
      await fixture.store.cool(key, 30_000)
      await fixture.store.cool(key, 1_000)
      await eventually(() => expect(cooling()).toEqual([true, true]))
      for (const store of both) expect(store.state(key).retryAfterMs).toBeGreaterThan(20_000)
    })

    it('ends a cool-down for all when an operator says so, and lets go who waits', async () => {
      await fixture.store.cool(key, 30_000)
      await eventually(() => expect(cooling()).toEqual([true, true]))
      const went = both.map(call)
      await fixture.other.clear(key)
      await Promise.all(went)
      await eventually(() => expect(cooling()).toEqual([false, false]))
    })

    it('tells each cool-down once per process, `here` in the one that heard it', async () => {
      const told: boolean[][] = [[], []]
      const stops = both.map((store, at) =>
        store.onCooldown((event) => {
          if (event.key === key) told[at]!.push(event.here)
        }),
      )
      const { store } = fixture
      store.cooled({ key, ms: 10_000, statusCode: 429 }, store.place(key), policy)
      await eventually(() => expect(cooling()).toEqual([true, true]))
      await store.flush()
      for (const stop of stops) stop()
      expect(told).toEqual([[true], [fixture.store === fixture.other]])
    })

    it('after close goes on in this process alone, and closing twice is allowed', async () => {
      const { store } = fixture
      await store.close()
      await store.close()
      store.cooled({ key, ms: 50, statusCode: 429 }, store.place(key), { ...policy, limits: [] })
      expect(store.state(key).retryAfterMs).toBeGreaterThan(0)
      await sleep(60)
      expect(store.state(key).coolUntil).toBeUndefined()
    })
  })
}

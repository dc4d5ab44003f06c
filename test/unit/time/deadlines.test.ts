import { execFile } from 'node:child_process'
import { stat } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { type Deadline, Deadlines, NOT_WAITING } from '../../../src/time/deadlines.ts'
import { seeded } from '../../support/simulation/random.ts'

class Noted implements Deadline {
  place = NOT_WAITING
  readonly setAt = performance.now()
  expiredAt: number | undefined
  readonly #then: (() => void) | undefined

  constructor(then?: () => void) {
    this.#then = then
  }

  expire(): void {
    this.expiredAt = performance.now()
    this.#then?.()
  }
}

function set(deadlines: Deadlines, then?: () => void): Noted {
  const deadline = new Noted(then)
  deadlines.set(deadline, deadline.setAt)
  return deadline
}

const timersRunning = (): number =>
  process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length

afterEach(() => void vi.useRealTimers())

describe('deadlines of one duration', () => {
  it('expire in order, never early, but for those that were cleared', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { minLength: 1, maxLength: 30 }), async (cleared) => {
        const deadlines = new Deadlines(20)
        const order: Noted[] = []
        const all = cleared.map(() => {
          const deadline: Noted = set(deadlines, () => order.push(deadline))
          return deadline
        })
        all.forEach((deadline, at) => cleared[at] && deadlines.clear(deadline))
        await expect.poll(() => order.length, { interval: 2 }).toBe(cleared.filter((one) => !one).length)
        await sleep(5)
        expect(order).toEqual(all.filter((_, at) => !cleared[at]))
        for (const { setAt, expiredAt } of order) expect(expiredAt! - setAt).toBeGreaterThanOrEqual(20)
      }),
      { numRuns: 15 },
    )
  })

  it('are armed again when one is set after the last has expired, or while it expires', async () => {
    const deadlines = new Deadlines(15)
    const second = Promise.withResolvers<Noted>()
    const first = set(deadlines, () => {
      const next: Noted = set(deadlines, () => second.resolve(next))
    })
    await second.promise
    const third = Promise.withResolvers<void>()
    set(deadlines, third.resolve)
    await third.promise
    expect(first.expiredAt).toBeDefined()
  })

  it('share one timer', () => {
    const deadlines = new Deadlines(60_000)
    const before = timersRunning()
    const all = Array.from({ length: 100 }, () => set(deadlines))
    expect(all.every(({ place }) => place >= 0)).toBe(true)
    expect(timersRunning() - before).toBe(1)
    for (const deadline of all) deadlines.clear(deadline)
    expect(all.every(({ place }) => place === NOT_WAITING)).toBe(true)
  })

  it('expire in order whatever was set and cleared meanwhile, in however large a crowd', async () => {
    const random = seeded(11)
    const deadlines = new Deadlines(120)
    const order: Noted[] = []
    const all: Noted[] = []
    const cleared = new Set<Noted>()
    for (let round = 0; round < 40; round++) {
      for (let n = 0; n < 100; n++) {
        const deadline: Noted = set(deadlines, () => order.push(deadline))
        all.push(deadline)
      }
      for (const deadline of all) {
        if (deadline.place === NOT_WAITING || random() > 0.3) continue
        deadlines.clear(deadline)
        cleared.add(deadline)
      }
      if (round % 10 === 9) await sleep(10)
    }
    const left = all.filter((one) => !cleared.has(one))
    await expect.poll(() => order.length, { interval: 5, timeout: 5_000 }).toBe(left.length)
    expect(order).toEqual(left)
    for (const { setAt, expiredAt } of order) expect(expiredAt! - setAt).toBeGreaterThanOrEqual(120)
    expect(all.every(({ place }) => place === NOT_WAITING)).toBe(true)
  })

  it('may be cleared twice, and set again', () => {
    const deadlines = new Deadlines(60_000)
    const [one, other] = [set(deadlines), set(deadlines)]
    deadlines.clear(one)
    deadlines.clear(one)
    expect([one.place, other.place >= 0]).toEqual([NOT_WAITING, true])
    deadlines.set(one, performance.now())
    expect(one.place).not.toBe(other.place)
    deadlines.clear(other)
    deadlines.clear(one)
  })

  it('obey the fake timers of a test', () => {
    vi.useFakeTimers()
    const deadline = set(new Deadlines(10_000))
    vi.advanceTimersByTime(9_999)
    expect(deadline.expiredAt).toBeUndefined()
    vi.advanceTimersByTime(1)
    expect(deadline.expiredAt).toBeDefined()
  })

  it('have timers of their own beyond the durations that share one', async () => {
    const many = Array.from({ length: 60 }, (_, n) => set(new Deadlines(5 + n)))
    await expect.poll(() => many.every(({ expiredAt }) => expiredAt !== undefined)).toBe(true)
    many.forEach(({ setAt, expiredAt }, n) => expect(expiredAt! - setAt).toBeGreaterThanOrEqual(4 + n))
  })

  it.each([
    ['share a timer', false],
    ['have timers of their own', true],
  ])('read first what came while the process could not run, where they %s', async (_, own) => {
    const order: string[] = []
    const expired = Promise.withResolvers<void>()
    await nextTurn()
    set(new Deadlines(own ? 73 : 20, own), () => {
      order.push('expired')
      expired.resolve()
    })
    stat('.', () => order.push('answer'))
    standStill(150)
    await expired.promise
    expect(order).toEqual(['answer', 'expired'])
  })

  it('with timers of their own may be cleared, and set again, when their time is up', async () => {
    const deadlines = new Deadlines(74, true)
    let expired = 0
    const [cleared, again] = [set(deadlines, () => expired++), set(deadlines, () => expired++)]
    await nextTurn()
    const answered = Promise.withResolvers<void>()
    stat('.', () => {
      deadlines.clear(cleared)
      deadlines.clear(again)
      deadlines.set(again, performance.now())
      answered.resolve()
    })
    standStill(150)
    await answered.promise
    await nextTurn()
    expect([expired, cleared.place]).toEqual([0, NOT_WAITING])
    await expect.poll(() => expired, { interval: 5 }).toBe(1)
  })
})

/** The process cannot run: no timer, no reply. */
function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

const run = async (script: string): Promise<{ stdout: string; ms: number }> => {
  const began = performance.now()
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script], {
    cwd: join(import.meta.dirname, '../../..'),
    timeout: 20_000,
  })
  return { stdout, ms: performance.now() - began }
}
const prelude = `
import { Deadlines } from './src/time/deadlines.ts'
const deadline = (expire) => ({ place: -1, expire })
`

describe('the process', () => {
  it('lives until what waits has expired', async () => {
    const { stdout } = await run(
      `${prelude}; new Deadlines(200).set(deadline(() => console.log('expired')), performance.now())`,
    )
    expect(stdout).toBe('expired\n')
  })

  it('has all its other deadlines when one of them throws', async () => {
    const { stdout } = await run(`${prelude}
      process.on('uncaughtException', ({ message }) => console.log(message))
      const list = new Deadlines(20)
      const set = (expire) => list.set(deadline(expire), performance.now())
      set(() => { throw new Error('of a caller') })
      set(() => {
        console.log('expired')
        set(() => console.log('a later one too'))
      })`)
    expect(stdout).toBe('of a caller\nexpired\na later one too\n')
  })

  it('ends when nothing waits any more, long before the timer would', async () => {
    const { ms } = await run(`${prelude}
      const list = new Deadlines(60_000)
      const one = deadline(() => console.log('expired'))
      list.set(one, performance.now())
      list.clear(one)`)
    expect(ms).toBeLessThan(15_000)
  })
})

import { afterEach, describe, expect, it, vi } from 'vitest'
import { steadyNow } from '../../../src/time/clock.ts'

afterEach(() => void vi.useRealTimers())

describe('the steady clock', () => {
  it('is performance.now()', () => {
    const before = performance.now()
    const now = steadyNow()
    expect(now).toBeGreaterThanOrEqual(before)
    expect(now).toBeLessThanOrEqual(performance.now())
  })

  it("goes as a test's fake timers say, and by itself again after them", () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'performance'] })
    const before = steadyNow()
    vi.advanceTimersByTime(1_000_000)
    expect(steadyNow() - before).toBe(1_000_000)
    vi.useRealTimers()
    expect(steadyNow()).toBeLessThan(before + 1_000_000)
  })

  it('goes as they say where they were there before it was loaded', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'performance'] })
    vi.resetModules()
    const { steadyNow: loadedLater } = await import('../../../src/time/clock.ts')
    const before = loadedLater()
    vi.advanceTimersByTime(1_000_000)
    expect(loadedLater() - before).toBe(1_000_000)
  })
})

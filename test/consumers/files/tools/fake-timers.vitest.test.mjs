import { afterEach, beforeEach, it, vi } from 'vitest'
import { playScene } from './scene.cjs'

beforeEach(() => {
  vi.useFakeTimers({
    toFake: ['setTimeout', 'clearTimeout', 'performance'],
    shouldAdvanceTime: true, // backoffs of a millisecond pass by themselves
  })
})
afterEach(() => vi.useRealTimers())

it('moves circuits with the fake timers of Vitest', () => playScene((ms) => vi.advanceTimersByTimeAsync(ms)))

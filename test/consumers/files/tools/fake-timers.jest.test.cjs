const { playScene } = require('./scene.cjs')

beforeEach(() => {
  jest.useFakeTimers({
    advanceTimers: true,
    doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'],
  })
})
afterEach(() => jest.useRealTimers())

test('moves circuits with the fake timers of Jest', () =>
  playScene((ms) => jest.advanceTimersByTimeAsync(ms)))

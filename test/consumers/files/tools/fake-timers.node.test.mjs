import { it } from 'node:test'
import { playScene } from './scene.cjs'

// `mock.timers` of node:test leaves performance.now() alone, which is the clock of circuits: shift that
it('moves circuits under node:test', async ({ mock }) => {
  const now = performance.now.bind(performance)
  let shift = 0
  mock.method(performance, 'now', () => now() + shift)
  await playScene((ms) => void (shift += ms))
})

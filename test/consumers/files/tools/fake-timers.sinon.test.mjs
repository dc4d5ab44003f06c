import { it } from 'node:test'
import { useFakeTimers } from 'sinon'
import { playScene } from './scene.cjs'

it('moves circuits with the fake timers of Sinon', async () => {
  const clock = useFakeTimers({
    toFake: ['setTimeout', 'clearTimeout', 'performance'],
    shouldAdvanceTime: true,
  })
  try {
    await playScene((ms) => clock.tickAsync(ms))
  } finally {
    clock.restore()
  }
})

import { describe, expect, it } from 'vitest'
import { currentCallScope, runInCallScope } from '../../../src/call/call-options.ts'

describe('per-call options', () => {
  it('reach what the callback starts, also after it has waited', async () => {
    const seen = await runInCallScope({ orderingKey: 'a' }, async () => {
      await new Promise((resolve) => setTimeout(resolve, 1))
      return currentCallScope()?.orderingKey
    })
    expect(seen).toBe('a')
  })

  it('add to those around them, and end with their callback', () => {
    runInCallScope({ orderingKey: 'a', labels: { one: '1' } }, () => {
      runInCallScope({ idempotencyKey: 'k' }, () => {
        expect(currentCallScope()).toMatchObject({
          orderingKey: 'a',
          idempotencyKey: 'k',
          labels: { one: '1' },
        })
      })
      expect(currentCallScope()?.idempotencyKey).toBeUndefined()
    })
    expect(currentCallScope()).toBeUndefined()
  })

  it('merge labels instead of replacing them', () => {
    runInCallScope({ labels: { one: '1', two: '2' } }, () =>
      runInCallScope({ labels: { two: 'II' } }, () => {
        expect(currentCallScope()?.labels).toEqual({ one: '1', two: 'II' })
      }),
    )
  })
})

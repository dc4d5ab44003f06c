import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { localDeadLetters } from '../../../../src/dead-letter/local/local-dead-letters.ts'
import { makeRecord } from '../../../../src/testing/contracts/records.ts'

describe('a lease in this process', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['Date', 'performance'] }))
  afterEach(() => void vi.useRealTimers())

  it('holds though the wall clock steps forward an hour', async () => {
    const store = localDeadLetters()
    await store.add([makeRecord()])
    expect((await store.claim({ limit: 1, leaseMs: 60_000 })).items).toHaveLength(1)
    vi.setSystemTime(Date.now() + 3_600_000)
    expect((await store.claim({ limit: 1, leaseMs: 60_000 })).items).toEqual([])
  })

  it('ends though the wall clock steps back a day', async () => {
    const store = localDeadLetters()
    const record = makeRecord({ timestamp: Date.now() - 7 * 24 * 3_600_000 })
    await store.add([record])
    const [first] = (await store.claim({ limit: 1, leaseMs: 20 })).items
    expect(await store.renew(record.id, first!.fence, 20)).toBe(true)
    vi.setSystemTime(Date.now() - 24 * 3_600_000)
    expect((await store.claim({ limit: 1, leaseMs: 60_000 })).items).toEqual([])
    vi.advanceTimersByTime(21)
    expect((await store.claim({ limit: 1, leaseMs: 60_000 })).items).toHaveLength(1)
  })

  it('that ended while sending delays the entry by as much as was asked, whatever the wall clock says', async () => {
    const store = localDeadLetters()
    const record = makeRecord({ timestamp: Date.now() - 7 * 24 * 3_600_000, repeatable: true })
    await store.add([record])
    const [first] = (await store.claim({ limit: 1, leaseMs: 10 })).items
    expect(await store.renew(record.id, first!.fence, 10)).toBe(true)
    vi.setSystemTime(Date.now() - 24 * 3_600_000)
    vi.advanceTimersByTime(30)
    expect((await store.claim({ limit: 1, leaseMs: 10, lapseDelayMs: 1000 })).items).toEqual([])
    const { dueAt } = (await store.get(record.id))!
    expect(dueAt - Date.now()).toBeGreaterThan(0)
    expect(dueAt - Date.now()).toBeLessThanOrEqual(1000)
  })
})

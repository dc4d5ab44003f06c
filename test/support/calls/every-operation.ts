import type { DeadLetterStore } from '../../../src/dead-letter/store/store.ts'
import { makeRecord } from '../../../src/testing/contracts/records.ts'

/** Calls every operation of a dead-letter store in the ways in which it goes; rejects when one of them is not allowed. */
export async function everyOperation(store: DeadLetterStore): Promise<void> {
  const replay = { at: Date.now(), outcome: 'failed' as const }
  const records = Array.from({ length: 8 }, () => makeRecord({ request: { method: 'PUT' } }))
  const ordered = [makeRecord({ orderingKey: 'k' }), makeRecord({ orderingKey: 'k' })]
  const sealed = makeRecord({ sealed: { keyId: 'k1', data: Buffer.from('sealed') } })
  await store.add([...records, ...ordered, sealed])
  await store.add(records)
  const { items } = await store.claim({ limit: 9, leaseMs: 60_000 })
  for (const { id, fence } of items) await store.renew(id, fence, 60_000)
  const outcomes = [
    { outcome: 'done', replay },
    { outcome: 'failed', replay, delayMs: 0, maxReplays: 9 },
    { outcome: 'later', delayMs: 0 },
    { outcome: 'in-doubt', replay, note: 'perhaps' },
    { outcome: 'quarantined', replay, note: 'never' },
  ] as const
  for (const [at, { id, fence }] of items.entries()) {
    await store.settle(id, fence, outcomes[at % outcomes.length]!)
  }
  await store.claim({ limit: 1, leaseMs: 1, filter: { integration: records[0]!.integration } })
  await store.claim({ limit: 1, leaseMs: 1, ids: [records[3]!.id] })
  await store.claim({ limit: 1, leaseMs: 1, purpose: 'transfer' })
  await store.requeue(items.map(({ id }) => id))
  const { cursor } = await store.list({ limit: 2 })
  await store.list({ status: 'pending', cursor })
  await store.get(sealed.id)
  await store.stats()
  await store.discard(records.map(({ id }) => id))
  // remembers what was settled and discarded, and evicts
  await store.add([...records, ...Array.from({ length: 20 }, () => makeRecord())])
}

import type { DeadLetterRecord } from '../../dead-letter/record/record.ts'
import type { AddResult } from '../../dead-letter/store/add-result.ts'
import type { DeadLetterSink } from '../../dead-letter/store/sink.ts'
import { expect } from './expect.ts'
import { makeRecord } from './records.ts'
import { patient, type TestRunner } from './runner.ts'

/** A dead-letter sink to be tested. */
export interface DeadLetterSinkFixture {
  readonly sink: DeadLetterSink
  /** Ids of what has arrived behind the sink, each once. */
  arrived(): Promise<string[]>
  /** Closes the sink, which a test may have closed already, and takes away what it has written. */
  dispose(): Promise<void>
}

/**
 * What captures count on: every `DeadLetterSink` must do it, and every dead-letter store is one.
 * @param name of the sink, in the names of the tests
 * @param make makes an empty sink for each test
 */
export function deadLetterSinkContract(
  runner: TestRunner,
  name: string,
  make: () => Promise<DeadLetterSinkFixture>,
): void {
  const { describe, it, beforeEach, afterEach } = patient(runner)
  describe(`dead-letter sink contract: ${name}`, () => {
    let current: DeadLetterSinkFixture
    let sink: DeadLetterSink

    beforeEach(async () => {
      current = await make()
      sink = current.sink
    })
    afterEach(() => current.dispose())

    /** The result says of each id once what became of it; a queue may not know of duplicates. */
    function expectTold({ kept, settled, refused }: AddResult, records: readonly DeadLetterRecord[]): void {
      const told = [...new Set(kept), ...settled, ...refused].sort()
      expect(told).toEqual([...new Set(records.map(({ id }) => id))].sort())
    }

    async function expectArrived(records: readonly DeadLetterRecord[]): Promise<void> {
      expect((await current.arrived()).sort()).toEqual(records.map(({ id }) => id).sort())
    }

    it('has the records when `add` resolves, and says so of each', async () => {
      const records = [makeRecord(), makeRecord({ request: { body: undefined } }), makeRecord()]
      const result = await sink.add(records)
      expectTold(result, records)
      expect(new Set(result.kept).size).toBe(3)
      await expectArrived(records)
    })

    it('takes a record again without harm, in another batch and in the same one', async () => {
      const [record, other] = [makeRecord(), makeRecord()]
      await sink.add([record])
      expectTold(await sink.add([record, other, other]), [record, other])
      await expectArrived([record, other])
    })

    it('takes batches that come at the same time', async () => {
      const batches = Array.from({ length: 5 }, () => Array.from({ length: 20 }, () => makeRecord()))
      const results = await Promise.all(batches.map((batch) => sink.add(batch)))
      results.forEach((result, at) => expectTold(result, batches[at]!))
      await expectArrived(batches.flat())
    })

    it('takes as many at once as a queue of captures hands over', async () => {
      const records = Array.from({ length: 4_000 }, () => makeRecord())
      expectTold(await sink.add(records), records)
      await expectArrived(records)
    })

    it('has nothing to say when there is nothing to add', async () => {
      expectTold(await sink.add([]), [])
    })

    it('leaves the records as they are: what it does not take goes to the spool', async () => {
      const body = Uint8Array.from([0, 127, 255])
      const record = makeRecord({ labels: { tenant: 't' }, orderingKey: 'order', request: { body } })
      const before = structuredClone(record)
      await sink.add([record])
      expect(record).toEqual(before)
    })

    it('rejects what comes after `close`', async () => {
      await sink.close()
      await expect(sink.add([makeRecord()])).rejects.toThrow()
    })
  })
}

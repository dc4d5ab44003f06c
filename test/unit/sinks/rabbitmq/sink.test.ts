import { describe, expect, it } from 'vitest'
import type { DeadLetterRecord } from '../../../../src/dead-letter/record/record.ts'
import { rabbitmqSink } from '../../../../src/entries/rabbitmq.ts'
import { makeRecord } from '../../../../src/testing/contracts/records.ts'
import { type FakePublication, FakeRabbitmq } from '../../../support/dead-letters/fake-rabbitmq.ts'

const isMarked = ({ headers }: FakePublication): boolean => headers['x-maybe-twice'] === true

describe('a sink of RabbitMQ', () => {
  it('marks a record that comes again before its confirm, and after it: whoever added it may have given up', async () => {
    const broker = new FakeRabbitmq()
    broker.onPublish = () => undefined
    const sink = rabbitmqSink(broker.connect, { queue: 'q' })
    const record = makeRecord()
    const first = sink.add([record])
    const second = sink.add([record])
    await expect.poll(() => broker.published.length).toBe(2)
    for (const { confirm } of broker.published) confirm()
    await Promise.all([first, second])
    broker.onPublish = ({ confirm }) => confirm()
    await sink.add([record])
    await sink.add([makeRecord()])
    expect(broker.published.map(isMarked)).toEqual([false, true, true, false])
    await sink.close()
  })

  it('marks none that is surely not there: refused, given back, or never published', async () => {
    const broker = new FakeRabbitmq()
    const records = [makeRecord(), makeRecord(), makeRecord()]
    let isUp = false
    const connect = () => (isUp ? broker.connect() : Promise.reject(new Error('away')))
    const sink = rabbitmqSink(connect, { queue: 'q' })
    await expect(sink.add(records)).rejects.toThrow('away')
    isUp = true
    const nacked = new Error('message nacked')
    broker.onPublish = ({ confirm, giveBack }, at) => {
      if (at === 2) giveBack()
      confirm(at === 1 ? nacked : undefined)
    }
    for (const record of records) await sink.add([record]).catch(() => undefined)
    for (const record of records) await sink.add([record])
    expect(broker.published.map(isMarked)).toEqual([false, false, false, false, false, true])
    await sink.close()
  })

  it('tells what is given back by the message, not by its id: none of two of one record passes for taken', async () => {
    const broker = new FakeRabbitmq()
    broker.onPublish = ({ giveBack }) => {
      giveBack()
      // as RabbitMQ does, both at once
      if (broker.published.length === 2) for (const { confirm } of broker.published) setImmediate(confirm)
    }
    const sink = rabbitmqSink(broker.connect, { queue: 'q' })
    const record = makeRecord()
    const results = await Promise.allSettled([sink.add([record]), sink.add([record])])
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    await sink.close()
  })

  it('refuses what no queue takes alone, where others of its batch are taken', async () => {
    const broker = new FakeRabbitmq()
    broker.onPublish = ({ routingKey, confirm, giveBack }) => {
      if (routingKey === 'nobody') giveBack()
      confirm()
    }
    const routingKey = ({ request }: DeadLetterRecord): string =>
      request.method === 'PATCH' ? 'nobody' : 'letters'
    const sink = rabbitmqSink(broker.connect, { exchange: 'e', routingKey })
    const [routed, unroutable] = [makeRecord(), makeRecord({ request: { method: 'PATCH' } })]
    const result = await sink.add([routed, unroutable])
    expect([result.kept, result.refused]).toEqual([[routed.id], [unroutable.id]])
    await expect(sink.add([unroutable])).rejects.toThrow('no queue takes messages of exchange "e"')
    await sink.close()
  })

  it('keeps the mark of one that may be there when the queue refuses another message of it', async () => {
    const broker = new FakeRabbitmq()
    const answers = [new Error('channel closed'), new Error('message nacked'), undefined]
    broker.onPublish = ({ confirm }, at) => confirm(answers[at - 1])
    const sink = rabbitmqSink(broker.connect, { queue: 'q' })
    const record = makeRecord()
    await expect(sink.add([record])).rejects.toThrow('channel closed')
    expect((await sink.add([record])).refused).toEqual([record.id])
    expect((await sink.add([record])).kept).toEqual([record.id])
    expect(broker.published.map(isMarked)).toEqual([false, true, true])
    await sink.close()
  })
})

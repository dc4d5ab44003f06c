import { EventEmitter } from 'node:events'
import { setImmediate as turnOfTheLoop } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { decodeDeadLetter, encodeDeadLetter } from '../../../../src/dead-letter/message/message.ts'
import type { Advice, Turns } from '../../../../src/sinks/consumer/turn.ts'
import { Deliveries } from '../../../../src/sinks/rabbitmq/deliveries.ts'
import { Link, OpenChannel } from '../../../../src/sinks/rabbitmq/link.ts'
import { makeRecord } from '../../../../src/testing/contracts/records.ts'
import { FakeRabbitmq } from '../../../support/dead-letters/fake-rabbitmq.ts'

it('holds no message of those that it has handed on, though it knows them again', async () => {
  const broker = new FakeRabbitmq()
  let taken = 0
  const released: WeakRef<object>[] = []
  const turns = {
    take: (content: Uint8Array): Promise<Advice> => {
      taken++
      const message = {
        ...decodeDeadLetter(content),
        status: 'pending',
        replayCount: 1,
        replays: [],
      } as const
      released.push(new WeakRef(message))
      return Promise.resolve({ then: 'wait', ms: 1000, message })
    },
  } as Pick<Turns, 'take'> as Turns
  const link = new Link(broker.connect, 1000, undefined)
  const deliveries = new Deliveries(link, turns, { queue: 'q', parkQueue: 'p', confirmTimeoutMs: 1000 })
  const open = new OpenChannel(Object.assign(new EventEmitter(), { ack: () => undefined }) as never)
  const content = Buffer.from(encodeDeadLetter(makeRecord()))
  const deliver = (redelivered: boolean): Promise<void> =>
    deliveries.take(open, {
      content,
      fields: { deliveryTag: 1, redelivered },
      properties: { headers: { 'x-publication': 'one' } },
    })
  await deliver(false)
  await turnOfTheLoop()
  globalThis.gc!()
  expect(released.map((one) => one.deref())).toEqual([undefined])
  await deliver(true)
  expect([taken, broker.published.length]).toEqual([1, 1])
  await link.close()
})

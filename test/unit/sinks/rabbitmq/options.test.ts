import amqp from 'amqplib'
import { describe, expect, it } from 'vitest'
import { rabbitmqConsumer, rabbitmqSink } from '../../../../src/entries/rabbitmq.ts'

const connect = () => amqp.connect('amqp://127.0.0.1:1')

describe('rabbitmqSink', () => {
  it.each<[string, unknown, string]>([
    ['an address', 'amqp://user:secret@host', 'a string: hand in `() => amqp.connect(url)`'],
    ['a url', new URL('amqp://user:secret@host'), 'a URL: hand in'],
    ['amqplib', amqp, 'amqplib itself: hand in `() => amqp.connect(url)`'],
    ['a promise', Promise.resolve(), 'a promise: hand in the function that makes it'],
    ['a channel', { sendToQueue: () => true }, 'a channel: hand in the connection that it is of'],
    ['nothing', undefined, 'got undefined'],
  ])('refuses %s instead of a way to connect, and says what was meant', (_what, value, message) => {
    const make = () => rabbitmqSink(value as never, { queue: 'q' })
    expect(make).toThrow(message)
    expect(make).not.toThrow('secret')
  })

  it.each<[object, string]>([
    [{}, 'needs `queue`, or `exchange`, got neither'],
    [{ queue: 'q', exchange: 'e' }, 'needs `queue`, or `exchange`, got both'],
    [{ queue: 'q', routingKey: 'k' }, '`routingKey` needs `exchange`'],
    [{ exchange: 'e', routingKey: 1 }, '`routingKey` must be a function'],
    [{ queue: '' }, '`queue` must be a non-empty string'],
    [{ queue: 'q', confirmTimeoutMs: 0 }, '`confirmTimeoutMs` must be an integer >= 1'],
    [{ queue: 'q', maxMessageBytes: 1 }, '`maxMessageBytes` must be an integer >= 1024'],
    [{ queue: 'q', setup: 1 }, '`setup` must be a function'],
    [{ queue: 'q', que: 'q' }, 'que'],
  ])('refuses %j', (options, message) => {
    expect(() => rabbitmqSink(connect, options)).toThrow(message)
  })

  it('is known by its queue or exchange, and connects to nothing before it has a record', async () => {
    let connections = 0
    const counted = () => {
      connections++
      return connect()
    }
    const sink = rabbitmqSink(counted, { queue: 'letters' })
    expect([sink.name, sink.remote]).toEqual(['rabbitmq:letters', true])
    expect(rabbitmqSink(connect, { exchange: 'e' }).name).toBe('rabbitmq:e')
    expect(rabbitmqSink(connect, { queue: 'q', name: 'mine' }).name).toBe('mine')
    await sink.add([])
    await sink.close()
    expect(connections).toBe(0)
  })
})

describe('rabbitmqConsumer', () => {
  const replay = { allowedOrigins: ['https://api.example.com'] }
  it.each<[object, string]>([
    [replay, '`queue` must be a non-empty string'],
    [{ queue: 'q' }, '`allowedOrigins` must be'],
    [{ ...replay, queue: 'q', concurrency: 0 }, '`concurrency` must be'],
    [{ ...replay, queue: 'q', redelivered: true }, '`redelivered` is not an option here'],
    [{ ...replay, queue: 'q', leaseMs: 1 }, '`leaseMs` is not an option here'],
    [{ ...replay, queue: 'q', inspectBody: {} }, '`inspectBody` needs `classify`'],
  ])('refuses %j at once, before it connects', (options, message) => {
    expect(() => rabbitmqConsumer(connect, options as never)).toThrow(message)
  })
})

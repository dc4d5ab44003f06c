import amqp from 'amqplib'
import { Agent } from 'undici'
import { rabbitmqConsumer } from '../../../src/entries/rabbitmq.ts'

// Sends dead letters of a queue until it is killed.
const [url = '', queue = '', origin = ''] = process.argv.slice(2)
rabbitmqConsumer(() => amqp.connect(url), {
  queue,
  allowedOrigins: [origin],
  dispatcher: new Agent({ connections: 8 }),
  credentials: ({ id }) => ({ 'x-letter': id }),
  concurrency: 4,
  ratePerSecond: Infinity,
  maxReplays: 50,
  initialBackoffMs: 100,
  maxBackoffMs: 100,
})

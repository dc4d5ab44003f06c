import amqp from 'amqplib'
import { rabbitmqSink } from '../../../src/entries/rabbitmq.ts'
import { sqliteStore } from '../../../src/entries/sqlite.ts'
import { startForwarder } from '../../../src/index.ts'

// Forwards dead letters from a file into a queue until it is killed.
const [url = '', queue = '', file = ''] = process.argv.slice(2)
const sink = rabbitmqSink(() => amqp.connect(url), { queue })
startForwarder(sqliteStore(file).deadLetters, sink, { intervalMs: 10 })
setInterval(() => undefined, 60_000)

import { Worker } from 'bullmq'
import { Agent } from 'undici'
import { bullmqProcessor } from '../../../src/entries/bullmq.ts'

// Sends dead letters of a queue until it is killed.
const [port = '', queue = '', origin = '', lock = '1000'] = process.argv.slice(2)
const processor = bullmqProcessor({
  allowedOrigins: [origin],
  dispatcher: new Agent({ connections: 8 }),
  credentials: ({ id }) => ({ 'x-letter': id }),
  ratePerSecond: Infinity,
  maxReplays: 50,
  initialBackoffMs: 100,
  maxBackoffMs: 100,
})
const worker = new Worker(queue, processor, {
  connection: { port: Number(port) },
  concurrency: 4,
  lockDuration: Number(lock),
  stalledInterval: Number(lock) / 2,
  // what a kill takes with it may be the same job each time
  maxStalledCount: 50,
})
worker.on('error', (error) => process.stderr.write(`${String(error)}\n`))

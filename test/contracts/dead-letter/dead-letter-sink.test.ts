import type { DeadLetterRecord } from '../../../src/dead-letter/record/record.ts'
import type { DeadLetterSink } from '../../../src/dead-letter/store/sink.ts'
import { deadLetterSinkContract } from '../../../src/testing/contracts/dead-letter-sink.ts'
import { runner } from '../runner.ts'

/** A queue whose consumers know a message again by its id. */
class Queue {
  readonly messages = new Map<string, DeadLetterRecord>()
  #closed = false

  sendBatch(records: readonly DeadLetterRecord[]): Promise<void> {
    if (this.#closed) return Promise.reject(new Error('the queue is closed'))
    for (const record of records) this.messages.set(record.id, record)
    return Promise.resolve()
  }

  close(): Promise<void> {
    this.#closed = true
    return Promise.resolve()
  }
}

// The least that a sink is: the example of the port itself.
deadLetterSinkContract(runner, 'a queue', () => {
  const queue = new Queue()
  const sink: DeadLetterSink = {
    remote: true,
    async add(records) {
      await queue.sendBatch(records)
      return { kept: records.map(({ id }) => id), duplicates: 0, settled: [], evicted: [], refused: [] }
    },
    close: () => queue.close(),
  }
  return Promise.resolve({
    sink,
    arrived: () => Promise.resolve([...queue.messages.keys()]),
    dispose: () => queue.close(),
  })
})

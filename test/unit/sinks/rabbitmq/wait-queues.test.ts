import fc from 'fast-check'
import { expect, it } from 'vitest'
import { nextWait, waitQueues } from '../../../../src/sinks/rabbitmq/wait-queues.ts'

function waited(ms: number): { queues: string[]; ms: number } {
  const queues: string[] = []
  let sum = 0
  for (let left = ms; left > 0;) {
    const { name, leftMs } = nextWait('q', left)
    queues.push(name)
    sum += Number(/wait\.(\d+)s$/.exec(name)![1]) * 1000
    left = leftMs
  }
  return { queues, ms: sum }
}

it('a wait goes through a few queues, and is never shorter than what was asked for, nor a second longer', () => {
  expect(waited(37_000).queues).toEqual(['q.wait.30s', 'q.wait.5s', 'q.wait.1s', 'q.wait.1s'])
  expect(waited(1).queues).toEqual(['q.wait.1s'])
  expect(waited(0)).toEqual({ queues: [], ms: 0 })
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 86_400_000 }), (ms) => {
      const all = waited(ms)
      expect(all.ms).toBeGreaterThanOrEqual(ms)
      expect(all.ms).toBeLessThan(ms + 1000)
      expect(all.queues.length).toBeLessThan(50)
    }),
  )
})

it('a queue for waits hands its messages back, and loses none that are not taken back', () => {
  for (const { name, options } of waitQueues('letters')) {
    expect(options).toEqual({
      durable: true,
      arguments: {
        'x-queue-type': 'quorum',
        'x-message-ttl': Number(/^letters\.wait\.(\d+)s$/.exec(name)![1]) * 1000,
        'x-dead-letter-exchange': '',
        'x-dead-letter-routing-key': 'letters',
        'x-dead-letter-strategy': 'at-least-once',
        'x-overflow': 'reject-publish',
      },
    })
  }
})

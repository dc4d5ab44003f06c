import { describe, expect, it } from 'vitest'
import { bullmqProcessor, bullmqSink } from '../../../../src/entries/bullmq.ts'

const queue = { name: 'letters', addBulk: () => Promise.resolve([]) }

describe('bullmqSink', () => {
  it.each<[string, unknown, string]>([
    ['a name', 'letters', 'a string: hand in `new Queue(name, { connection })`'],
    ['a Redis client', { sendCommand: () => undefined }, 'a Redis client: hand in'],
    ['nothing', undefined, 'got undefined'],
  ])('refuses %s instead of a queue, and says what was meant', (_what, value, message) => {
    expect(() => bullmqSink(value as never)).toThrow(message)
  })

  it.each<[object, string]>([
    [{ jobName: '' }, '`jobName` must be a non-empty string'],
    [{ keepDoneMs: 1 }, '`keepDoneMs` must be a number >= 1000'],
    [{ timeoutMs: 0 }, '`timeoutMs` must be an integer >= 1'],
    [{ maxMessageBytes: 1 }, '`maxMessageBytes` must be an integer >= 1024'],
    [{ jobname: 'x' }, 'jobName'],
  ])('refuses %j', (options, message) => {
    expect(() => bullmqSink(queue, options)).toThrow(message)
  })

  it('is known by its queue', () => {
    expect([bullmqSink(queue).name, bullmqSink(queue).remote]).toEqual(['bullmq:letters', true])
    expect(bullmqSink(queue, { name: 'mine' }).name).toBe('mine')
  })
})

describe('bullmqProcessor', () => {
  const replay = { allowedOrigins: ['https://api.example.com'] }
  it.each<[object, string]>([
    [{}, '`allowedOrigins` must be'],
    [{ ...replay, concurrency: 4 }, '`concurrency` is not an option here'],
    [{ ...replay, redelivered: true }, '`redelivered` is not an option here'],
    [{ ...replay, ratePerSecond: 0 }, '`ratePerSecond` must be'],
  ])('refuses %j when it is made', (options, message) => {
    expect(() => bullmqProcessor(options as never)).toThrow(message)
  })
})

import { EventEmitter } from 'node:events'
import { expect, test, vi } from 'vitest'
import { CircuitMessages } from '../../../../../src/stores/circuit-messages.ts'
import { CircuitChannel } from '../../../../../src/stores/redis/circuits/channel.ts'
import type { RedisClient } from '../../../../../src/stores/redis/connection.ts'

/** A client of which the test says what comes of each SUBSCRIBE. */
class Client extends EventEmitter {
  readonly isCluster = false
  readonly options = {}
  status = 'ready'
  readonly answers: (Error | undefined)[]
  asked = 0

  constructor(answers: (Error | undefined)[]) {
    super()
    this.answers = answers
  }

  duplicate(): this {
    return this
  }

  subscribe(): Promise<void> {
    const answer = this.answers[this.asked++]
    return answer === undefined ? Promise.resolve() : Promise.reject(answer)
  }

  disconnect(): void {
    this.status = 'end'
  }
}

function open(...answers: (Error | undefined)[]) {
  const client = new Client(answers)
  const messages = new CircuitMessages('channel', 100, 'no channel', {
    pushed: () => true,
    other: () => false,
  })
  const listener = { subscribed: vi.fn(), lost: vi.fn() }
  const warn = vi.spyOn(messages, 'warn').mockImplementation(() => undefined)
  const channel = new CircuitChannel(client as unknown as RedisClient, 100, 'channel', messages, listener)
  client.emit('ready')
  return { client, listener, warn, channel }
}

test('subscribes again where the server was too busy to answer in time', async () => {
  const { client, listener, warn } = open(new Error('Command timed out'), new Error('Command timed out'))
  await expect.poll(() => listener.subscribed).toHaveBeenCalledOnce()
  expect(client.asked).toBe(3)
  expect(warn).not.toHaveBeenCalled()
})

test('waits twice as long each time, and no longer than the connection stands', async () => {
  vi.useFakeTimers()
  try {
    const late = (): Error => new Error('Command timed out')
    const { client } = open(late(), late(), late(), late())
    const asked: number[] = []
    for (let passed = 0; passed <= 2_000; passed += 10) {
      if (client.asked > asked.length) asked.push(passed)
      await vi.advanceTimersByTimeAsync(10)
    }
    // between half and one and a half times of 100, 200, 400 ms
    for (const [at, least] of [50, 100, 200].entries()) {
      expect(asked[at + 1]! - asked[at]!).toBeGreaterThanOrEqual(least - 10)
    }
    client.answers.push(undefined, late())
    client.emit('ready')
    await vi.advanceTimersByTimeAsync(0)
    client.emit('close')
    const before = client.asked
    await vi.advanceTimersByTimeAsync(10_000)
    expect(client.asked).toBe(before)
  } finally {
    vi.useRealTimers()
  }
})

test('does not ask again whoever may not subscribe, and says so', async () => {
  const refusal = Object.assign(new Error('NOPERM'), { name: 'ReplyError' })
  const { client, listener, warn } = open(refusal)
  await expect.poll(() => warn).toHaveBeenCalledOnce()
  expect(client.asked).toBe(1)
  expect(listener.subscribed).not.toHaveBeenCalled()
})

test('leaves it to the next connection where this one is lost', async () => {
  const { client, warn } = open()
  client.answers.push(undefined, new Error('Connection is closed.'))
  client.status = 'reconnecting'
  client.emit('ready')
  await expect.poll(() => warn).toHaveBeenCalledOnce()
  expect(client.asked).toBe(2)
})

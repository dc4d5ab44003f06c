import { describe, expect, it, vi } from 'vitest'
import { channels, type AttemptFailedEvent } from '../../../src/telemetry/channels.ts'
import { Reporter } from '../../../src/telemetry/reporter.ts'

const event: AttemptFailedEvent = {
  integration: 'crm',
  method: 'GET',
  url: 'http://a/',
  attempt: 1,
  durationMs: 3,
  error: new Error('x'),
}
const logger = () => ({ info: vi.fn(), warn: vi.fn(), error: vi.fn() })

describe('Reporter', () => {
  it('hears nothing, so that nothing is built, without a logger and a listener', () => {
    expect(new Reporter('crm').hears(channels.attemptFailed)).toBe(false)
    expect(new Reporter('crm', logger()).hears(channels.attemptFailed)).toBe(true)
    const listen = () => undefined
    channels.attemptFailed.subscribe(listen)
    expect(new Reporter('crm').hears(channels.attemptFailed)).toBe(true)
    channels.attemptFailed.unsubscribe(listen)
  })

  it('tells a listener and the logger the same; the error stands under `err`, where pino looks', () => {
    const heard: unknown[] = []
    const listen = (told: AttemptFailedEvent) => heard.push(told)
    channels.attemptFailed.subscribe(listen)
    const log = logger()
    new Reporter('crm', log).attemptFailed(event)
    channels.attemptFailed.unsubscribe(listen)
    expect(heard).toEqual([event])
    const { error, ...context } = event
    expect(log.warn).toHaveBeenCalledWith({ ...context, err: error }, 'attempt failed')
  })

  it('says of a wait whether the provider asked for it', () => {
    const log = logger()
    const waiting = {
      integration: 'crm',
      method: 'GET',
      url: 'http://a/',
      attempt: 1,
      key: 'http://a',
      retryAfterMs: 9,
    }
    new Reporter('crm', log).limitWaiting(waiting, 'provider')
    new Reporter('crm', log).limitWaiting(waiting, 'limiter')
    expect(log.info.mock.calls.map(([, message]) => message as string)).toEqual([
      'waits as its provider asked',
      'waits for its rate limit',
    ])
  })

  it('does not let a logger that throws reach the call', async () => {
    const warned = new Promise<Error>((resolve) => process.once('warning', resolve))
    const bad = {
      ...logger(),
      warn: () => {
        throw new Error('full disk')
      },
    }
    new Reporter('crm', bad).attemptFailed(event)
    expect((await warned).message).toContain('the logger threw: Error: full disk')
  })
})

describe('a hook of the user', () => {
  const { guard, log } = (() => {
    const log = logger()
    const reporter = new Reporter('crm', log)
    return { guard: reporter.guard.bind(reporter), log }
  })()

  it('answers, with the arguments that were handed in apart', () => {
    expect(guard('key', 'origin', (a: string, b: number) => `${a}${b}`, 'tenant-', 7)).toBe('tenant-7')
    expect(guard('isFailure', true, () => undefined)).toBeUndefined()
    expect(log.error).not.toHaveBeenCalled()
  })

  it('that throws is replaced by what holds without it, and told', () => {
    const failure = new Error('no tenant')
    const hook = (): string => {
      throw failure
    }
    expect(guard('key', 'origin', hook)).toBe('origin')
    expect(log.error).toHaveBeenCalledExactlyOnceWith(
      { hook: 'key', err: failure, integration: 'crm' },
      '`key` threw',
    )
  })

  it('that rejects later is told, and ends no process', async () => {
    log.error.mockClear()
    const failure = new Error('disk full')
    guard('onDrop', undefined, () => Promise.reject(failure))
    await vi.waitFor(() => expect(log.error).toHaveBeenCalledTimes(1), 10_000)
    expect(log.error.mock.lastCall?.[0]).toMatchObject({ hook: 'onDrop', err: failure })
  })
})

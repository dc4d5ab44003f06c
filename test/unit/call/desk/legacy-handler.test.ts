import { describe, expect, it, vi } from 'vitest'
import { isLegacyHandler, LegacyHandlerAdapter } from '../../../../src/call/desk/legacy-handler.ts'

const controller = () => ({
  aborted: false,
  paused: false,
  reason: null,
  rawHeaders: null as never,
  rawTrailers: null as never,
  abort: vi.fn(),
  pause: vi.fn(),
  resume: vi.fn(),
})

describe('a handler of the old API', () => {
  it('is told by the lack of the new method, not by the presence of the old', () => {
    expect(isLegacyHandler({ onConnect: () => undefined })).toBe(true)
    expect(isLegacyHandler({ onConnect: () => undefined, onRequestStart: () => undefined })).toBe(false)
    expect(isLegacyHandler({})).toBe(false)
  })

  it('gets raw headers as a flat list of buffers, also where HTTP/2 or a mock has only an object', () => {
    const onHeaders = vi.fn(() => true)
    new LegacyHandlerAdapter({ onHeaders }).onResponseStart(
      controller(),
      200,
      { a: '1', b: ['2', '3'] },
      'OK',
    )
    const [code, raw, , text] = onHeaders.mock.calls[0] as unknown as [number, Buffer[], unknown, string]
    expect([code, raw.map(String), text]).toEqual([200, ['a', '1', 'b', '2', 'b', '3'], 'OK'])
  })

  it('pauses by returning false, resumes and aborts through what it was handed', () => {
    const stable = controller()
    let resume: () => void = () => undefined
    let abort: (reason: Error) => void = () => undefined
    const adapter = new LegacyHandlerAdapter({
      onConnect: (given) => void (abort = given),
      onHeaders: (_code, _raw, given) => {
        resume = given
        return false
      },
      onData: () => false,
    })
    adapter.onRequestStart(stable, null)
    adapter.onResponseStart(stable, 200, {})
    adapter.onResponseData(stable, Buffer.from('x'))
    expect(stable.pause).toHaveBeenCalledTimes(2)
    resume()
    expect(stable.resume).toHaveBeenCalledTimes(1)
    const reason = new Error('left')
    abort(reason)
    expect(stable.abort).toHaveBeenCalledWith(reason)
  })

  it('hears of trailers, errors, upgrades and what was sent', () => {
    const legacy = {
      onComplete: vi.fn(),
      onError: vi.fn(),
      onUpgrade: vi.fn(),
      onBodySent: vi.fn(),
      onRequestSent: vi.fn(),
      onResponseStarted: vi.fn(),
    }
    const adapter = new LegacyHandlerAdapter(legacy)
    const error = new Error('x')
    adapter.onResponseEnd(null, { t: '1' })
    adapter.onResponseError(null, error)
    adapter.onRequestUpgrade(null, 101, { u: '1' }, 'socket' as never)
    adapter.onBodySent(Buffer.from('x'))
    adapter.onRequestSent()
    adapter.onResponseStarted()
    expect((legacy.onComplete.mock.calls[0]![0] as Buffer[]).map(String)).toEqual(['t', '1'])
    expect(legacy.onError).toHaveBeenCalledWith(error)
    expect(legacy.onUpgrade.mock.calls[0]![2]).toBe('socket')
    for (const heard of [legacy.onBodySent, legacy.onRequestSent, legacy.onResponseStarted]) {
      expect(heard).toHaveBeenCalledTimes(1)
    }
  })
})

import { describe, expect, it } from 'vitest'
import { deliveryOfError, deliveryOfStatus, errorCode } from '../../../src/http/delivery.ts'

const made = (facts: object, message = 'x') => Object.assign(new Error(message), facts)

/** What real sockets say is in test/integration/retry/certainty.test.ts; here is what they cannot be made to say. */
describe('deliveryOfError', () => {
  it.each(['ENETDOWN', 'ENETUNREACH', 'EHOSTDOWN', 'EHOSTUNREACH'])(
    'takes %s for one of connecting, unless a connection that stood had it',
    (code) => {
      expect(deliveryOfError(made({ code }), true)).toBe('not-sent')
      expect(deliveryOfError(made({ code, syscall: 'connect', errno: -101 }), true)).toBe('not-sent')
      expect(deliveryOfError(made({ code, syscall: 'read', errno: -101 }), true)).toBe('unknown')
      expect(deliveryOfError(made({ code, syscall: 'write', errno: -101 }), true)).toBe('unknown')
      expect(deliveryOfError(made({ code, syscall: 'read', errno: -101 }), false)).toBe('not-sent')
    },
  )

  it('finds what surely was not sent in causes and in parts, as deep as errors are nested', () => {
    const refused = made({ code: 'EMFILE', syscall: 'connect' })
    expect(deliveryOfError(new TypeError('fetch failed', { cause: refused }), true)).toBe('not-sent')
    expect(deliveryOfError(new AggregateError([made({}), refused]), true)).toBe('not-sent')
    expect(deliveryOfError(new Error('x', { cause: new AggregateError([refused]) }), true)).toBe('not-sent')
    const circular = new Error('x')
    circular.cause = circular
    expect(deliveryOfError(circular, true)).toBe('unknown')
  })

  it('takes an error of TLS for one of the handshake only until a connection took the request up', () => {
    const alert = made({ code: 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED' })
    expect(deliveryOfError(alert, false)).toBe('not-sent')
    expect(deliveryOfError(alert, true)).toBe('unknown')
  })

  it.each([undefined, null, 'a text', 7, {}, { errors: 'none' }, { code: 7 }])(
    'makes nothing of %j',
    (thrown) => {
      expect(deliveryOfError(thrown, true)).toBe('unknown')
      expect(errorCode(thrown)).toBeUndefined()
    },
  )
})

it('takes no gateway’s word for the server’s answer, where the server may have acted', () => {
  for (const status of [408, 502, 504, 520, 524]) expect(deliveryOfStatus(status)).toBe('unknown')
  for (const status of [200, 400, 409, 425, 429, 500, 501, 503, 521, 522, 523, 529]) {
    expect(deliveryOfStatus(status)).toBe('responded')
  }
})

it('tells a proxy that says no from one that cannot', () => {
  const aborted = (message: string) => errorCode(made({ code: 'UND_ERR_ABORTED' }, message))
  const refused = (status: number) => aborted(`Proxy response (${status}) !== 200 when HTTP Tunneling`)
  expect([403, 404, 405, 407, 302].map(refused)).toEqual(Array(5).fill('ERR_PROXY_DENIED'))
  expect([408, 429, 500, 502, 503, 504].map(refused)).toEqual(Array(6).fill('ERR_PROXY_REFUSED'))
  expect(aborted('Request aborted')).toBe('UND_ERR_ABORTED')
})

import { constants } from 'node:http2'
import {
  at,
  broken,
  type Broken,
  closedPort,
  cutTunnel,
  hanging,
  http1,
  http2GoingAway,
  http2Server,
  LOCALHOST,
  lookupBoth,
  mocked,
  rawServer,
  socksProxy,
  type Stage,
  tlsServer,
  tunnelProxy,
  unixSocket,
} from './servers.ts'

/** What is to come of it. */
export interface Expected {
  /** Whether anything can have reached the server, as the dead letter has it. */
  readonly delivery: 'not-sent' | 'unknown'
  readonly code: string | RegExp
  /** By default a GET is tried again. A POST is when its delivery is `not-sent` as well. */
  readonly transient: boolean
  /** The circuit of the target counts a failure. */
  readonly counts: boolean
  readonly captured: boolean
}

export interface Scenario extends Expected {
  /** What is otherwise with undici 7. */
  readonly undici7?: Partial<Expected>
  /**
   * The least undici that knows of it, or survives it: undici 7.0 ends the process by an assertion of its own when an
   * HTTP/2 connection is lost (`client[kPending] === 0`, seen on Node 22).
   */
  readonly since?: '7.1'
  open(stage: Stage): Broken | Promise<Broken>
}

const notSent = { delivery: 'not-sent', transient: true, counts: true, captured: true } as const
const finalNotSent = { ...notSent, transient: false } as const
const sent = { ...notSent, delivery: 'unknown' } as const
/** A refusal by a proxy of the caller's: no fault of the target, and it will not change by itself. */
const denied = { ...finalNotSent, counts: false, code: 'ERR_PROXY_DENIED' } as const
/** A mistake or a wish of the caller's own. */
const callersOwn = { ...denied, captured: false } as const

function systemError(code: string): Error {
  // as a careful author of a test makes one: like a real one of a connection that was reset after sending
  return Object.assign(new Error(`read ${code}`), { code, errno: -104, syscall: 'read' })
}

/** Errors of real sockets, by what happened. */
export const scenarios: Readonly<Record<string, Scenario>> = {
  'a name that does not resolve': {
    ...notSent,
    code: 'ENOTFOUND',
    // a label longer than labels may be: refused without a question to any server
    open: (stage) => at(`http://${'x'.repeat(64)}.test/`, http1(stage)),
  },
  'a connection that is refused': {
    ...notSent,
    code: 'ECONNREFUSED',
    open: async (stage) => at(`http://${LOCALHOST}:${await closedPort()}/`, http1(stage)),
  },
  'a connection that is refused at each address of a name': {
    ...notSent,
    code: 'ECONNREFUSED',
    open: async (stage) =>
      at(
        `http://two.test:${await closedPort()}/`,
        http1(stage, { lookup: lookupBoth, autoSelectFamily: true }),
      ),
  },
  'a connection that hangs at one address of a name and is refused at the other': {
    ...notSent,
    code: 'UND_ERR_CONNECT_TIMEOUT',
    undici7: { code: 'ETIMEDOUT' },
    open: (stage) =>
      hanging(stage, 'two.test', {
        lookup: lookupBoth,
        autoSelectFamily: true,
        autoSelectFamilyAttemptTimeout: 20,
      }),
  },
  'a connection that takes too long': {
    ...notSent,
    code: 'UND_ERR_CONNECT_TIMEOUT',
    open: (stage) => hanging(stage, LOCALHOST, { timeout: 50 }),
  },
  'a unix socket whose file is gone': {
    ...notSent,
    code: 'ENOENT',
    open: (stage) => unixSocket(stage, false),
  },
  'a unix socket that nobody listens at': {
    ...notSent,
    code: 'ECONNREFUSED',
    open: (stage) => unixSocket(stage, true),
  },
  'a TLS handshake that is cut': {
    ...notSent,
    code: 'ECONNRESET',
    open: (stage) => broken(stage, 'https', (socket) => socket.end()),
  },
  'a TLS handshake that is reset': {
    ...notSent,
    code: 'ECONNRESET',
    open: (stage) => broken(stage, 'https', (socket) => socket.resetAndDestroy()),
  },
  'a TLS handshake with a server that speaks plain HTTP': {
    ...finalNotSent,
    code: /^(ERR_SSL_.*|EPROTO)$/,
    open: (stage) => broken(stage, 'https', (socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')),
  },
  'a TLS handshake without a version in common': {
    ...finalNotSent,
    code: /^(ERR_SSL_.*|EPROTO)$/,
    open: (stage) => tlsServer(stage, { maxVersion: 'TLSv1.2' }, { minVersion: 'TLSv1.3' }),
  },
  'a certificate that nobody vouches for': {
    ...finalNotSent,
    code: 'DEPTH_ZERO_SELF_SIGNED_CERT',
    open: (stage) => tlsServer(stage, {}, { rejectUnauthorized: true }),
  },
  'a certificate of another name': {
    ...finalNotSent,
    code: 'ERR_TLS_CERT_ALTNAME_INVALID',
    open: (stage) => {
      const trusting = { rejectUnauthorized: true, ca: stage.certificate.cert, lookup: lookupBoth }
      return tlsServer(stage, {}, trusting, 'another.test')
    },
  },
  'a proxy that is not there': {
    ...notSent,
    code: 'ECONNREFUSED',
    open: async ({ undici }) =>
      at('https://target.test/', new undici.ProxyAgent(`http://${LOCALHOST}:${await closedPort()}`)),
  },
  'a proxy that drops CONNECT': {
    ...notSent,
    code: 'UND_ERR_PRX_CONN',
    // undici 7 asks the proxy again and again, until a timeout of ours ends it (undici #3897)
    undici7: { code: 'ERR_TIMEOUT' },
    open: (stage) => tunnelProxy(stage, (client) => client.end()),
  },
  'a proxy that resets CONNECT': {
    ...notSent,
    code: 'ECONNRESET',
    open: (stage) => tunnelProxy(stage, (client) => client.resetAndDestroy()),
  },
  'a proxy that answers CONNECT with 502': {
    ...notSent,
    code: 'ERR_PROXY_REFUSED',
    open: (stage) => tunnelProxy(stage, (client) => client.end('HTTP/1.1 502 Bad Gateway\r\n\r\n')),
  },
  'a proxy that answers CONNECT with 403': {
    ...denied,
    open: (stage) => tunnelProxy(stage, (client) => client.end('HTTP/1.1 403 Forbidden\r\n\r\n')),
  },
  'a proxy that answers CONNECT with 407': {
    ...denied,
    open: (stage) =>
      tunnelProxy(stage, (client) => client.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n')),
  },
  'a proxy that answers a request without CONNECT with 407': {
    ...denied,
    open: ({ undici }) =>
      rawServer(
        (socket) => socket.end('HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n'),
        (port) => new undici.ProxyAgent({ uri: `http://${LOCALHOST}:${port}`, proxyTunnel: false }),
        'http://target.test/',
      ),
  },
  'a TLS handshake that is cut behind a proxy': {
    ...notSent,
    code: 'ECONNRESET',
    open: (stage) => tunnelProxy(stage, cutTunnel),
  },
  'a connection that is cut behind a proxy after the request was sent': {
    ...sent,
    code: 'UND_ERR_SOCKET',
    open: (stage) => tunnelProxy(stage, cutTunnel, 'http://target.test/'),
  },
  'a SOCKS proxy that cannot reach the target': {
    ...finalNotSent,
    code: 'UND_ERR_SOCKS5_REPLY_4',
    since: '7.1',
    open: (stage) => socksProxy(stage, 4),
  },
  'an HTTP/2 stream that is refused': {
    ...notSent,
    code: 'ERR_HTTP2_STREAM_ERROR',
    since: '7.1',
    open: (stage) => http2Server(stage, (stream) => stream.close(constants.NGHTTP2_REFUSED_STREAM)),
  },
  'an HTTP/2 stream that ends with an internal error': {
    ...sent,
    code: 'ERR_HTTP2_STREAM_ERROR',
    since: '7.1',
    open: (stage) => http2Server(stage, (stream) => stream.close(constants.NGHTTP2_INTERNAL_ERROR)),
  },
  'an HTTP/2 connection that is cut': {
    ...sent,
    code: 'UND_ERR_SOCKET',
    since: '7.1',
    open: (stage) => http2Server(stage, (_stream, cutConnections) => cutConnections()),
  },
  'an HTTP/2 connection that goes away above a stream': {
    ...notSent,
    code: 'UND_ERR_INFO',
    since: '7.1',
    // undici 7 does not look at the last stream: it may have been acted on
    undici7: { delivery: 'unknown', code: 'UND_ERR_SOCKET' },
    open: (stage) => http2GoingAway(stage, 0),
  },
  'an HTTP/2 connection that goes away with a stream in work': {
    ...sent,
    code: 'UND_ERR_SOCKET',
    since: '7.1',
    open: (stage) => http2GoingAway(stage, 1),
  },
  'a connection that ends after the request was sent': {
    ...sent,
    code: 'UND_ERR_SOCKET',
    open: (stage) => broken(stage, 'http', (socket) => socket.end()),
  },
  'a connection that is reset after the request was sent': {
    ...sent,
    code: 'ECONNRESET',
    open: (stage) => broken(stage, 'http', (socket) => socket.resetAndDestroy()),
  },
  'an answer that does not come in time': {
    ...sent,
    code: 'UND_ERR_HEADERS_TIMEOUT',
    open: (stage) =>
      broken(
        stage,
        'http',
        () => undefined,
        () => new stage.undici.Agent({ headersTimeout: 50, allowH2: false }),
      ),
  },
  'an answer that is no HTTP': {
    ...sent,
    transient: false,
    code: 'HTTPParserError',
    open: (stage) => broken(stage, 'http', (socket) => socket.end('good day\r\n\r\n')),
  },
  'an answer that is larger than the caller wants': {
    ...callersOwn,
    delivery: 'unknown',
    code: 'UND_ERR_RES_EXCEEDED_MAX_SIZE',
    open: (stage) =>
      broken(
        stage,
        'http',
        (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello'),
        () => new stage.undici.Agent({ maxResponseSize: 4, allowH2: false }),
      ),
  },
  'a request without a mock': {
    ...callersOwn,
    code: 'UND_MOCK_ERR_MOCK_NOT_MATCHED',
    open: (stage) => mocked(stage, undefined),
  },
  'a mock that replies with a reset': {
    ...sent,
    code: 'ECONNRESET',
    open: (stage) => mocked(stage, systemError('ECONNRESET')),
  },
  'a mock that replies with a bare code': {
    ...sent,
    code: 'ECONNRESET',
    open: (stage) => mocked(stage, Object.assign(new Error('reset'), { code: 'ECONNRESET' })),
  },
}

/**
 * How sure it is that the server acted.
 * `not-sent`: surely not, the request never left. `unknown`: it may have. `responded`: it answered, and not a gateway in its
 * place that had no answer of it.
 */
export type Delivery = 'not-sent' | 'unknown' | 'responded'

/**
 * Statuses of whoever stood between and got no answer, or none that it understood, of the server behind it: that may
 * have acted (RFC 9110, 15.6.3 and 15.6.5; 520 and 524 are Cloudflare's, 521 to 523 are of its connect). 408 means that
 * the request did not arrive whole (15.5.9), but services answer it as well where their own work takes too long.
 *
 * @see https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors/
 */
const unansweredBehind: ReadonlySet<number> = new Set([408, 502, 504, 520, 524])

/** What a status alone says of delivery: an answer, but for those that say that there was none. */
export function deliveryOfStatus(statusCode: number): 'unknown' | 'responded' {
  return unansweredBehind.has(statusCode) ? 'unknown' : 'responded'
}

interface ErrorFacts {
  name?: unknown
  message?: unknown
  code?: unknown
  syscall?: unknown
  errno?: unknown
  cause?: unknown
  errors?: unknown
  http2ErrorCode?: unknown
  statusCode?: unknown
}

/** Causes of causes, and parts of parts, that are looked at. */
const MAX_DEPTH = 4

/**
 * The code of an error, else of its cause, else of the first of its parts (an `AggregateError` of a dual-stack connect).
 * A proxy's refusal of a tunnel, which undici reports like an abort or a bad argument of the caller, is
 * `ERR_PROXY_DENIED` where it will not change by itself (403, 407), and otherwise `ERR_PROXY_REFUSED`.
 */
export function errorCode(error: unknown, depth = 0): string | undefined {
  if (typeof error !== 'object' || error === null || depth > MAX_DEPTH) return undefined
  const facts = error as ErrorFacts
  const proxyStatus = refusalOfProxy(facts)
  if (proxyStatus !== undefined) {
    return proxyStatus >= 500 || proxyStatus === 408 || proxyStatus === 429
      ? 'ERR_PROXY_REFUSED'
      : 'ERR_PROXY_DENIED'
  }
  if (typeof facts.code === 'string') return facts.code
  return (
    errorCode(facts.cause, depth + 1) ??
    errorCode(Array.isArray(facts.errors) ? facts.errors[0] : undefined, depth + 1)
  )
}

function refusalOfProxy({ code, message }: ErrorFacts): number | undefined {
  if (code !== 'UND_ERR_ABORTED' && code !== 'UND_ERR_INVALID_ARG') return undefined
  const [, connect, plain] =
    /^(?:Proxy response \((\d{3})\)|Proxy Authentication Required \((407)\))/.exec(String(message)) ?? []
  const status = connect ?? plain
  return status === undefined ? undefined : Number(status)
}

/** Of a refusal, or of the phase before a connection stood: nothing was sent. */
const nothingSent = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
  // no upstream, no mock
  'UND_ERR_BPL_MISSING_UPSTREAM',
  'UND_MOCK_ERR_MOCK_NOT_MATCHED',
  // a proxy that cannot be reached, drops CONNECT, or says no
  'UND_ERR_PRX_CONN',
  'UND_ERR_PRX_TLS',
  'ERR_PROXY_REFUSED',
  'ERR_PROXY_DENIED',
  // thrown in place of opening a stream
  'ERR_HTTP2_GOAWAY_SESSION',
  // our own
  'ERR_CIRCUIT_OPEN',
  'ERR_SHUTDOWN',
])

/**
 * Whether a call of ours was refused, by an open circuit, a bulkhead or a rate limit, before anything was sent. A limit that the
 * provider told by a status is its answer.
 */
export function isRefusalOfOurs(code: string | undefined, statusCode: unknown): boolean {
  return (
    code === 'ERR_CIRCUIT_OPEN' ||
    code === 'ERR_BULKHEAD_FULL' ||
    (code === 'ERR_RATE_LIMITED' && statusCode === undefined)
  )
}

/** The network's word, which comes at a connect, and late for a connection that stood: `read EHOSTUNREACH`. */
const unreachable = new Set(['ENETDOWN', 'ENETUNREACH', 'EHOSTDOWN', 'EHOSTUNREACH'])

/**
 * The certificate of the server was refused, on our side and before anything was sent.
 * @see https://nodejs.org/api/tls.html#x509-certificate-error-codes
 */
const certificateRefused =
  /^(ERR_TLS_CERT_ALTNAME_INVALID|HOSTNAME_MISMATCH|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|CERT_.+|CRL_.+|ERROR_IN_C(ERT|RL)_.+|UNABLE_TO_.+|INVALID_(CA|PURPOSE)|PATH_LENGTH_EXCEEDED)$/

/** The request itself is wrong: it can never be sent as it is. */
const malformed = new Set([
  'UND_ERR_INVALID_ARG',
  'UND_ERR_NOT_SUPPORTED',
  'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH',
  // of a test
  'UND_MOCK_ERR_MOCK_NOT_MATCHED',
])

/** What whoever asks did or wants: nothing that the server did. */
const callersOwn = new Set([
  ...malformed,
  'UND_ERR_CLOSED',
  'UND_ERR_DESTROYED',
  'ERR_PROXY_DENIED',
  // its `maxResponseSize`
  'UND_ERR_RES_EXCEEDED_MAX_SIZE',
  'ERR_CIRCUIT_OPEN',
  'ERR_BULKHEAD_FULL',
  'ERR_RATE_LIMITED',
  'ERR_SHUTDOWN',
])

/** Whether an error with this code is a mistake in the request, so that it is of no use to keep it. */
export function isMalformedRequest(code: string | undefined): boolean {
  return code !== undefined && malformed.has(code)
}

/** Whether an error with this code says nothing of the server: a mistake or a wish of the caller's, a refusal of ours. */
export function isCallersOwn(code: string | undefined): boolean {
  return code !== undefined && callersOwn.has(code)
}

/**
 * What an error says of delivery, wherever it was born: in DNS, a connect, TLS, a proxy, HTTP/2, a unix socket.
 *
 * @param started a connection had taken the attempt up. Until then what the system, TLS or a timeout says is of the
 *   connect phase; from then on it may be of anything.
 * @param atOnce the error came while the request was being handed over. No socket is that fast, but a MockAgent is, which
 *   plays errors of requests that were sent without starting them.
 */
export function deliveryOfError(error: unknown, started: boolean, atOnce = false): Delivery {
  if (someOf(error, saysNothingSent, 0)) return 'not-sent'
  if (started) return 'unknown'
  const code = errorCode(error)
  if (isTimeout(error, code) || isCallersOwn(code)) return 'not-sent'
  return !atOnce && someOf(error, isOfConnecting, 0) ? 'not-sent' : 'unknown'
}

/** Whether this error alone says so, also when it is met after the fact: in a record, in a replay. */
function saysNothingSent(facts: ErrorFacts): boolean {
  const { syscall } = facts
  if (syscall === 'connect' || syscall === 'getaddrinfo') return true
  const code = errorCode(facts)
  if (code === undefined) return false
  if (isRefusalOfOurs(code, facts.statusCode)) return true
  if (nothingSent.has(code) || certificateRefused.test(code) || code.startsWith('UND_ERR_SOCKS5')) return true
  if (unreachable.has(code)) return syscall === undefined
  const message = String(facts.message)
  // of Node: the other side ended the connection in the handshake
  if (code === 'ECONNRESET') return message.endsWith('before secure TLS connection was established')
  return isRefusedByHttp2(code, message, facts.http2ErrorCode)
}

/**
 * RFC 9113, 8.7: a stream refused with REFUSED_STREAM, or above the last one of a GOAWAY, was not processed. undici 8
 * reports a GOAWAY as `UND_ERR_INFO` for streams above the last alone; undici 7 as `UND_ERR_SOCKET` for any stream. Which
 * code a stream was ended with is said in a field by undici 8, and in Node's message always.
 */
function isRefusedByHttp2(code: string, message: string, http2ErrorCode: unknown): boolean {
  if (code === 'UND_ERR_INFO') return message.startsWith('HTTP/2: "GOAWAY" frame received')
  return (
    http2ErrorCode === 7 ||
    (code === 'ERR_HTTP2_STREAM_ERROR' && message.endsWith('error code NGHTTP2_REFUSED_STREAM'))
  )
}

/** An error of the system or of TLS: of the connect phase as long as no connection has taken the request up. */
function isOfConnecting({ code, syscall, errno }: ErrorFacts): boolean {
  return (
    (typeof syscall === 'string' && typeof errno === 'number') ||
    (typeof code === 'string' && /^ERR_(SSL|TLS)_/.test(code))
  )
}

/** Ours, or that of the caller: `AbortSignal.timeout()`. */
function isTimeout(error: unknown, code: string | undefined): boolean {
  return code === 'ERR_TIMEOUT' || (error as Error | null)?.name === 'TimeoutError'
}

/** Whether it holds for the error, one of its causes, or a part of an `AggregateError`. */
function someOf(error: unknown, holds: (facts: ErrorFacts) => boolean, depth: number): boolean {
  if (typeof error !== 'object' || error === null || depth > MAX_DEPTH) return false
  const facts = error as ErrorFacts
  return (
    holds(facts) ||
    someOf(facts.cause, holds, depth + 1) ||
    (Array.isArray(facts.errors) && facts.errors.some((part) => someOf(part, holds, depth + 1)))
  )
}

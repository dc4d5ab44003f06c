import { eachHeader, headerValue, type RequestHeaders } from '../headers.ts'
import { isSecretName } from './secret-names.ts'

/** Secrets that are others with each request, or the proxy's: they say nothing of the account. */
const ofTheRequest = /(?:^|-)(?:code|csrf|hmac|otp|proxy|sig|signature|totp|xsrf)(?:-|$)/

/** Names that were looked at before: a request brings the same ones again and again. */
const known = new Map<string, boolean>()
const MAX_KNOWN = 1_000

/**
 * The credentials of a request as they stand in its headers, as one text: the `authorization` header, else those that
 * hold keys and tokens by their names, else `undefined`. It is a secret. Asked for each call: nothing is allocated where
 * there is at most one.
 */
export function credentialsIn(headers: RequestHeaders): string | undefined {
  if (headers === null || headers === undefined) return undefined
  // nearly always, and a plain load
  const { authorization } = headers as { authorization?: unknown }
  if (typeof authorization === 'string') return authorization
  if (Array.isArray(headers) || Symbol.iterator in headers) return searched(headers)
  let found: string | undefined
  for (const name in headers as Record<string, unknown>) {
    if (!isCredential(name)) continue
    // there is one, in whatever form
    found = searched(headers)
    break
  }
  return found
}

/**
 * Whose credentials they are, as a text that is the same for all requests of an account. A signature is another one with
 * each request, so of a scheme with parameters only those that name the account count: AWS Signature Version 4, OAuth
 * 1.0a, Digest, Hawk, HTTP signatures. Without parameters it is a token, `OAuth abc`, or a key before its signature,
 * `HMAC key:signature`.
 */
export function accountOf(credentials: string): string {
  if (!signature.test(credentials)) return credentials
  const [scheme = ''] = credentials.split(/\s/, 1)
  const named = Array.from(
    credentials.matchAll(account),
    ([, name = '', value = '']) => `${name.toLowerCase()}=${awsKey.exec(value)?.[0] ?? value}`,
  )
  if (named.length === 0) return credentials.replace(/(?<=^\S+\s+[^\s:]+):.*$/s, '')
  return [scheme.toLowerCase(), ...named].join(' ')
}

const signature = /^(?:aws4-|oauth\s|digest\s|hawk\s|signature\s|hmac)/i
const account =
  /\b(credential|oauth_consumer_key|oauth_token|username|id|keyid|apikey|key)\s*=\s*"?([^",\s]+)/gi
/** Of an AWS credential, what follows the key changes with the day. */
const awsKey = /^[^/]+/

function isCredential(name: string): boolean {
  let is = known.get(name)
  if (is === undefined) {
    const lower = name.toLowerCase()
    is = isSecretName(lower, 'header') && !ofTheRequest.test(lower)
    if (known.size < MAX_KNOWN) known.set(name, is)
  }
  return is
}

function searched(headers: RequestHeaders): string | undefined {
  const authorization = headerValue(headers, 'authorization')
  if (authorization !== undefined) return authorization
  let found: string | undefined
  for (const [name, value] of eachHeader(headers)) {
    if (isCredential(name)) found = found === undefined ? value : `${found}\n${value}`
  }
  return found
}

import { sha256 } from './sha256.ts'

/**
 * What keeps a request that was stored, edited or handed in from being sent. Each function says what is wrong, to be
 * read after the name of the part ("its url ..."), or `undefined` when nothing is. No message holds a header's value,
 * which may be a secret.
 */

/** RFC 9110, 5.6.2: what methods and names of headers are made of. */
const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

/** All but the tab: they would split or end a line of the request. */
const controls = /[\u0000-\u0008\u000a-\u001f\u007f]/

export function urlFault(text: string): string | undefined {
  const url = controls.test(text) ? null : URL.parse(text)
  if (url === null) return 'is malformed'
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    return `has the protocol ${JSON.stringify(url.protocol)}, not http or https`
  }
  return url.username === '' && url.password === '' ? undefined : 'holds a user name or password'
}

export function methodFault(method: string): string | undefined {
  return token.test(method) && method !== 'CONNECT' ? undefined : 'cannot be replayed'
}

/** Whether a header can hold it: what is sent of a character is one byte. */
export function isLatin1(text: string): boolean {
  return !/[^\u0000-\u00ff]/.test(text)
}

/** @param value as given: not everybody who hands in headers is checked by types */
export function headerFault(name: string, value: unknown): string | undefined {
  const shown = JSON.stringify(name.slice(0, 100))
  if (!token.test(name)) return `name ${shown} is malformed`
  for (const one of Array.isArray(value) ? (value as unknown[]) : [value]) {
    if (typeof one !== 'string') return `${shown} is no string`
    if (controls.test(one)) return `${shown} holds a control character`
    if (!isLatin1(one)) {
      return `${shown} holds characters that no header can hold: write them as percent-encoded UTF-8`
    }
  }
  return undefined
}

/** @param sent what is known of the body as it was sent: its length in bytes, and its SHA-256 in hex */
export function bodyFault(
  body: Uint8Array | undefined,
  sent: { readonly bytes: number; readonly sha256?: string | undefined },
): string | undefined {
  const bytes = body?.byteLength ?? 0
  if (bytes !== sent.bytes) return `has ${bytes} bytes, \`bytes\` says ${sent.bytes}`
  if (body === undefined || bytes === 0 || sha256(body) === sent.sha256) return undefined
  return 'is not the one that was captured: `sha256` differs'
}

/** Names of query parameters, headers and body fields whose values are secrets, whatever their case and separators. */
const secretName =
  /token|secret|api[-_]?key|apikey|hapikey|signature|password|passwd|pwd|credential|authorization|session|^auth$|^sig$|^key$|^code$|private[-_]?app/i

export function isSecretName(name: string): boolean {
  return secretName.test(name)
}

export const REDACTED = '[redacted]'

/**
 * The url as it may be logged and stored: userinfo and fragment gone, values of secret query parameters replaced,
 * their names kept. `extra` names further query parameters (lower case).
 */
export function redactUrl(url: string, extra?: ReadonlySet<string>): string {
  const queryAt = url.indexOf('?')
  if (queryAt === -1 && !url.includes('@') && !url.includes('#')) return url
  let head = queryAt === -1 ? url : url.slice(0, queryAt)
  head = head.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/?#]*@/i, '$1')
  const hashAt = head.indexOf('#')
  if (hashAt !== -1) return head.slice(0, hashAt)
  if (queryAt === -1) return head
  const query = url.slice(queryAt + 1).split('#', 1)[0] ?? ''
  return `${head}?${query
    .split('&')
    .map((pair) => {
      const equals = pair.indexOf('=')
      if (equals === -1) return pair
      const name = decoded(pair.slice(0, equals))
      return isSecretName(name) || extra?.has(name.toLowerCase())
        ? `${pair.slice(0, equals)}=${REDACTED}`
        : pair
    })
    .join('&')}`
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name.replaceAll('+', ' '))
  } catch {
    // a malformed escape: judge the name as it was sent
    return name
  }
}

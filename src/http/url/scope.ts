import { httpOrigin } from './origin.ts'

// The key of a circuit or a limit is by default an origin, or an origin and whose credential:
// `https://api.example.com#1f2e3d4c5b6a`.

/** The origin that a key begins with; of a key of another kind, what stands before its `#`, or all of it. */
export function scopeOf(key: string): string {
  const hash = key.indexOf('#')
  return hash === -1 ? key : key.slice(0, hash)
}

const originAlone = /^https?:\/\/[^/?@]+\/?$/i

/** A key as calls spell it: an origin without a slash at its end, without a default port, in lower case. */
export function spelledKey(key: string): string {
  const scope = scopeOf(key)
  const origin = originAlone.test(scope) ? httpOrigin(scope) : undefined
  return origin === undefined ? key : origin + key.slice(scope.length)
}

/**
 * The origins that may be meant by a key that is none: that of a url with more to it, such as a path, or those of a host
 * without a scheme. Empty for any other key: it may be one that `key` gives.
 */
export function originsMeantBy(key: string): readonly string[] {
  const origin = httpOrigin(key)
  if (origin !== undefined) return origin === scopeOf(spelledKey(key)) ? [] : [origin]
  const origins = ['https', 'http'].map((scheme) => httpOrigin(`${scheme}://${key}`))
  return /^[\w.-]+(?::\d+)?(?:\/|$)/.test(key) ? origins.filter((one) => one !== undefined) : []
}

/** The origin that is meant by what is none: what comes after it is left out, and a host alone is taken for `https`. */
export function originMeantBy(text: string): string | undefined {
  return httpOrigin(text) ?? originsMeantBy(text)[0]
}

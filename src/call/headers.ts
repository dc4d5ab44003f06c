import type { Dispatcher } from 'undici'

export type RequestHeaders = Dispatcher.DispatchOptions['headers']

type HeaderText = string | Buffer | number | undefined | null | readonly (string | Buffer)[]

/** Each name and value of request headers in any form that undici takes: a flat array, pairs, or an object. */
export function* eachHeader(headers: RequestHeaders): Generator<[name: string, value: string]> {
  if (headers === null || headers === undefined) return
  if (Array.isArray(headers)) {
    for (let i = 0; i + 1 < headers.length; i += 2) yield* expanded(String(headers[i]), headers[i + 1])
  } else if (Symbol.iterator in headers) {
    for (const [name, value] of headers as Iterable<[string, HeaderText]>) yield* expanded(name, value)
  } else {
    for (const name of Object.keys(headers))
      yield* expanded(name, (headers as Record<string, HeaderText>)[name])
  }
}

function* expanded(name: string, value: HeaderText): Generator<[string, string]> {
  if (value === null || value === undefined) return
  if (Array.isArray(value)) for (const item of value) yield [name, String(item)]
  else yield [name, String(value)]
}

/** The first value of a header, by its lower-case name. Plain loops: each body asks for its length. */
export function headerValue(headers: RequestHeaders, name: string): string | undefined {
  if (headers === null || headers === undefined) return undefined
  if (Array.isArray(headers)) {
    for (let i = 0; i + 1 < headers.length; i += 2) {
      if (isNamed(String(headers[i]), name)) return firstOf(headers[i + 1])
    }
    return undefined
  }
  if (Symbol.iterator in headers) {
    for (const [key, value] of headers as Iterable<[string, HeaderText]>)
      if (isNamed(key, name)) return firstOf(value)
    return undefined
  }
  for (const key of Object.keys(headers)) {
    if (isNamed(key, name)) return firstOf((headers as Record<string, HeaderText>)[key])
  }
  return undefined
}

function isNamed(key: string, name: string): boolean {
  return key.length === name.length && key.toLowerCase() === name
}

function firstOf(value: HeaderText): string | undefined {
  const first: unknown = Array.isArray(value) ? value[0] : value
  return first === null || first === undefined ? undefined : String(first as string)
}

/** Headers that every attempt can read: an iterator can be read once, so its pairs are taken out of it. */
export function repeatableHeaders(headers: RequestHeaders): RequestHeaders {
  if (headers === null || headers === undefined || Array.isArray(headers) || !(Symbol.iterator in headers))
    return headers
  return [...eachHeader(headers)].flat()
}

/** The headers and one more, in the form that they came in where undici can take it. */
export function withHeader(headers: RequestHeaders, name: string, value: string): RequestHeaders {
  if (headers === null || headers === undefined) return { [name]: value }
  if (Array.isArray(headers)) return [...headers, name, value]
  if (Symbol.iterator in headers) return [...eachHeader(headers)].flat().concat(name, value)
  return { ...headers, [name]: value }
}

import type { Dispatcher } from 'undici'

export type RequestHeaders = Dispatcher.DispatchOptions['headers']

type HeaderText = string | Buffer | number | undefined | null | readonly (string | Buffer)[]

/** Each name and value of request headers in any form that undici takes: a flat array, pairs, or an object. */
export function* eachHeader(headers: RequestHeaders): Generator<[name: string, value: string]> {
  if (headers === null || headers === undefined) return
  if (Array.isArray(headers)) {
    for (let i = 0; i + 1 < headers.length; i += 2) yield* expanded(String(headers[i]), headers[i + 1])
  } else if (isIterable(headers)) {
    for (const pair of headers) if (isPair(pair)) yield* expanded(pair[0], pair[1])
  } else {
    for (const name of Object.keys(headers)) {
      yield* expanded(name, (headers as Record<string, HeaderText>)[name])
    }
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
  if (isIterable(headers)) {
    for (const pair of headers) if (isPair(pair) && isNamed(pair[0], name)) return firstOf(pair[1])
    return undefined
  }
  for (const key of Object.keys(headers)) {
    if (isNamed(key, name)) return firstOf((headers as Record<string, HeaderText>)[key])
  }
  return undefined
}

/** As undici asks: not by an iterator that somebody put on `Object.prototype`. */
function isIterable(headers: object): headers is Iterable<unknown> {
  // nearly always, and a plain load: the rest takes longer than some whole layers
  if ((headers as Partial<Iterable<unknown>>)[Symbol.iterator] === undefined) return false
  const prototype: unknown = Object.getPrototypeOf(headers)
  return (
    Object.hasOwn(headers, Symbol.iterator) ||
    (prototype !== null && prototype !== Object.prototype && Symbol.iterator in headers)
  )
}

function isPair(pair: unknown): pair is [string, HeaderText] {
  return Array.isArray(pair) && pair.length === 2 && typeof pair[0] === 'string'
}

function isNamed(key: string, name: string): boolean {
  return key.length === name.length && key.toLowerCase() === name
}

function firstOf(value: HeaderText): string | undefined {
  const first: unknown = Array.isArray(value) ? value[0] : value
  return first === null || first === undefined ? undefined : String(first as string)
}

/** Whether `rereadableHeaders` may have something to do. Asked for each call: a plain load or two. */
export function isReadOnce(headers: RequestHeaders): boolean {
  return (
    typeof headers === 'object' &&
    headers !== null &&
    (headers as Partial<Iterable<unknown>>)[Symbol.iterator] !== undefined &&
    !Array.isArray(headers)
  )
}

/**
 * Headers that every attempt can read: an iterator can be read once, so its pairs are taken out of it. What undici
 * refuses is left for it to refuse.
 */
export function rereadableHeaders(headers: RequestHeaders): RequestHeaders {
  if (typeof headers !== 'object' || headers === null || Array.isArray(headers) || !isIterable(headers)) {
    return headers
  }
  const pairs: unknown[] = [...headers]
  // a set, since an array would be taken for names and values in turn
  if (!pairs.every(isPair)) return new Set(pairs) as never
  return pairs.flatMap(([name, value]) => [...expanded(name, value)].flat())
}

/** The headers with this one in place of any of its name, in the form that they came in where undici can take it. */
export function withHeader(headers: RequestHeaders, name: string, value: string): RequestHeaders {
  if (headers === null || headers === undefined) return { [name]: value }
  if (typeof headers !== 'object') return headers
  if (Array.isArray(headers)) {
    const others = headers.filter((_, at) => !isNamed(String(headers[at - (at % 2)]), name))
    return [...others, name, value]
  }
  if (isIterable(headers)) {
    const others = [...eachHeader(headers)].filter(([other]) => !isNamed(other, name))
    return others.flat().concat(name, value)
  }
  const others = Object.entries(headers).filter(([other]) => !isNamed(other, name))
  return { ...Object.fromEntries(others), [name]: value } as RequestHeaders
}

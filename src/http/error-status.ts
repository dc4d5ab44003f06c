import type { IncomingHttpHeaders } from 'node:http'
import { eachHeader, type RequestHeaders } from './headers.ts'

interface ErrorFacts {
  name?: unknown
  statusCode?: unknown
  status?: unknown
  headers?: unknown
  response?: unknown
}

/**
 * The status of the answer that an error stands for, as the clients in use put it there: `statusCode` (undici, Stripe),
 * `status` (axios, Octokit, OpenAI), `response.status` (axios, ky), `response.statusCode` (got). `undefined` for one
 * that no answer is behind.
 */
export function errorStatus(error: unknown): number | undefined {
  const { statusCode, status, response } = factsOf(error)
  const answer = factsOf(response)
  for (const value of [statusCode, status, answer.status, answer.statusCode]) {
    // axios says 0 where there was no answer, others a word
    if (typeof value === 'number' && Number.isInteger(value) && value >= 100 && value <= 999) return value
  }
  return undefined
}

/** The headers of the answer that an error stands for, by lower-case name; empty where it has none, or what is none. */
export function errorHeaders(error: unknown): IncomingHttpHeaders {
  const { headers, response } = factsOf(error)
  const given = factsOf(response).headers ?? headers
  const found: Record<string, string | string[]> = {}
  if (typeof given !== 'object') return found
  try {
    for (const [name, value] of eachHeader(given as RequestHeaders)) {
      const key = name.toLowerCase()
      found[key] = key in found ? [found[key]!, value].flat() : value
    }
  } catch {
    // no headers, though it is named so: the error is told as it is
  }
  return found
}

/** Whether whoever waited for the work ended it: no failure of the work. A timeout (`TimeoutError`) is one. */
export function isAbort(error: unknown): boolean {
  return factsOf(error).name === 'AbortError'
}

function factsOf(value: unknown): ErrorFacts {
  return typeof value === 'object' && value !== null ? value : {}
}

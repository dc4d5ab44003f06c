import { types } from 'node:util'
import { shown } from '../../options.ts'

/** All that the `init` of `fetch` has, and `next`, which that of Next.js has beside it. */
const fetchNames: ReadonlySet<string> = new Set([
  'method',
  'headers',
  'body',
  'redirect',
  'referrer',
  'referrerPolicy',
  'mode',
  'credentials',
  'cache',
  'integrity',
  'keepalive',
  'signal',
  'window',
  'duplex',
  'priority',
  'next',
])

const json = 'give `body: JSON.stringify(...)` and the header content-type'
const query = 'write the query into the url, with URLSearchParams'
const ofTheCall = 'give it to `withCallOptions` around the call'

/** What other clients take there, and what to write instead. */
const instead: Readonly<Record<string, string>> = {
  data: json,
  json,
  form: 'give `body: new URLSearchParams(...)`',
  params: query,
  query,
  searchParams: query,
  timeout: 'give `signal: AbortSignal.timeout(ms)`, or `attemptTimeoutMs` and `totalTimeoutMs` to the client',
  baseURL: 'give `baseUrl` to the client',
  prefixUrl: 'give `baseUrl` to the client',
  dispatcher: 'give `dispatcher` to the client',
  idempotencyKey: ofTheCall,
  labels: ofTheCall,
  retry: ofTheCall,
  deadLetter: ofTheCall,
  orderingKey: ofTheCall,
  attemptTimeoutMs: ofTheCall,
  totalTimeoutMs: ofTheCall,
  rateLimit: ofTheCall,
  bulkhead: ofTheCall,
  onCaptured: ofTheCall,
}

/**
 * Refuses what `fetch` would drop or send as the text `[object Object]` without a word: an unknown name is a request that
 * lacks something, and its answer may well be a 200.
 * @throws TypeError naming it, and what to write instead
 */
export function checkInit(init: unknown, names: ReadonlySet<string> = fetchNames, otherwise?: string): void {
  if (typeof init !== 'object' || init === null) {
    throw new TypeError(`\`init\` must be an object, got ${shown(init)}`)
  }
  for (const [name, value] of Object.entries(init)) {
    if (value === undefined || names.has(name)) continue
    const known = fetchNames.has(name) ? undefined : instead[name]
    const why = known ?? otherwise ?? `fetch knows ${[...fetchNames].slice(0, -1).join(', ')}`
    throw new TypeError(`\`init.${name}\` has no meaning here: ${why}`)
  }
  const fault = bodyFault((init as { body?: unknown }).body)
  if (fault !== undefined) throw new TypeError(`\`init.body\` ${fault}`)
}

function bodyFault(body: unknown): string | undefined {
  if (body === null || body === undefined || typeof body === 'string') return undefined
  // what is in it may be secret
  if (Array.isArray(body)) return `must be a body as fetch takes it, got an array: for JSON ${json}`
  if (typeof body !== 'object') return `must be a body as fetch takes it, got ${shown(body)}`
  if (ArrayBuffer.isView(body) || types.isAnyArrayBuffer(body) || Symbol.asyncIterator in body) {
    return undefined
  }
  if (body instanceof Blob || body instanceof FormData || body instanceof URLSearchParams) return undefined
  const tag = (body as { [Symbol.toStringTag]?: unknown })[Symbol.toStringTag]
  if (tag === 'FormData') {
    return 'must be a FormData of the global class: fetch sends one of another as a text'
  }
  // of another realm, as test runners make them
  if (tag === 'Blob' || tag === 'File' || tag === 'URLSearchParams') return undefined
  return `must be a body as fetch takes it, got ${shown(body)}: for JSON ${json}`
}

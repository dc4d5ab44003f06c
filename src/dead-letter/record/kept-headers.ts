/**
 * Which request headers a record keeps: they say what the body is, which call this was, and which form of the API it
 * speaks, and hold no credential. A header that is in none of these lists is not kept, and a replay asks for it.
 */

/** Of HTTP itself, of traces, and of idempotency. */
const general = new Set([
  'accept',
  'accept-charset',
  'accept-datetime',
  'accept-language',
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-md5',
  'content-range',
  'content-type',
  'date',
  'digest',
  'expect',
  'idempotency-key',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'link',
  'max-forwards',
  'pragma',
  'prefer',
  'priority',
  'range',
  'repr-digest',
  'retry-after',
  'retry-after-ms',
  'server',
  'traceparent',
  'tracestate',
  'user-agent',
  'vary',
  'via',
  'x-http-method-override',
  'x-requested-with',
])

/**
 * Of the clients in use: whose resource is meant, which schema, which client it is. Each name is one that an SDK sends
 * by itself.
 *
 * @see https://docs.postgrest.org/en/stable/references/api/schemas.html (profiles; also Supabase, with x-client-info)
 * @see https://docs.stripe.com/connect/authentication (stripe-account, stripe-context)
 * @see https://platform.openai.com/docs/api-reference/authentication (openai-organization, openai-project)
 */
const ofClients = new Set([
  'accept-profile',
  'content-profile',
  'x-client-info',
  'x-client-name',
  'x-meilisearch-client',
  'x-algolia-agent',
  'x-goog-api-client',
  'x-stripe-client-user-agent',
  'stripe-account',
  'stripe-context',
  'openai-organization',
  'openai-project',
  'anthropic-dangerous-direct-browser-access',
  'x-ms-useragent',
  'x-ms-client-request-id',
  'x-ms-return-client-request-id',
])

/**
 * Limits of providers. Word by word, since a header with `rate-limit` in its name may also hold a key:
 * `x-rate-limit-bypass`.
 */
const limits = new RegExp(
  '^(x-)?((anthropic|app|hubspot|method|shopify|openai|github|discord|ms|azure)-)?rate-?limits?' +
    '(-(limit|max|min|count|remaining|reset|used|after|policy|resource|scope|bucket|global|type|cost|points|quota|window|' +
    'interval|period|daily|hourly|minutely|secondly|monthly|milliseconds|seconds|second|minute|hour|day|month|' +
    'requests?|tokens?|input|output|images?|project|user|ip|project))*$',
)

const patterns = [
  // ids and limits of providers, under many names
  /^(x-)?(request-?id|correlation-?id|trace-?id)$/,
  limits,
  /^(x-)?([a-z]+-)?request-?id$/,
  /^cf-ray$/,
  // which form of the API: notion-version, stripe-version, anthropic-version, x-github-api-version, openai-beta
  /(^|-)version$/,
  /^[a-z]+-beta$/,
  // what the SDKs that Stainless generates say of themselves (OpenAI, Anthropic, Cloudflare ...)
  /^x-stainless-[a-z-]+$/,
]

/** Whether the defaults keep a header (its name in lower case). Whether it holds a credential is another question. */
export function isKeptHeader(name: string): boolean {
  return general.has(name) || ofClients.has(name) || patterns.some((pattern) => pattern.test(name))
}

/** Of an attempt, not of the request: whoever traces a replay makes them anew. Not kept, and not missed. */
const ofTraces = /^(baggage|b3|x-b3-[a-z]+|sentry-trace|newrelic|uber-trace-id|elastic-apm-traceparent)$/
const ofVendorsTraces = /^x-(datadog|cloud-trace|amzn-trace)-[a-z-]+$/

/** Whether a replay may go without a header that was sent and not kept (its name in lower case). */
export function isDispensable(name: string): boolean {
  return ofTraces.test(name) || ofVendorsTraces.test(name)
}

import type { FakeAnswer, FakeProvider } from './fakes/fake-provider.ts'

/** An answer whose status does not say what it means, and what becomes of the call. */
interface AnswerRow {
  integration: string
  what: string
  act: 'read' | 'create'
  /** Instead of what was asked, or with `done` after it was done. */
  answer: (fake: FakeProvider) => FakeAnswer
  done?: true
  /** `answered`, or why there is a letter and what of the request is known; `final` is an error without a letter. */
  then: 'answered' | 'final' | `${string}, ${'responded' | 'unknown'}`
  requests: number
  /** When the letter is due, in seconds from now; `undefined` where it says nothing. */
  due?: number | ((now: number) => number)
}

export const json = (status: number, body: unknown, headers: Record<string, string> = {}) => ({
  status,
  headers: { 'content-type': 'application/json', ...headers },
  body,
})
const html = (status: number, body: string) => ({ status, headers: { 'content-type': 'text/html' }, body })
const day = (now: number) => (Math.floor(now / 86_400_000) + 1) * 86_400_000
const month = (now: number) => Date.UTC(new Date(now).getUTCFullYear(), new Date(now).getUTCMonth() + 1, 1)
const limited = 'rate-limited, responded'

const openai = (status: number, code: string, headers = {}) =>
  json(status, { error: { code, message: 'no' } }, headers)
const anthropic = (status: number, error: object) => json(status, { type: 'error', error })

export const answers: AnswerRow[] = [
  {
    integration: 'hubspot',
    what: '429 "daily limit", no policy',
    act: 'read',
    answer: () => json(429, { message: 'You have reached your daily limit.' }),
    then: limited,
    requests: 1,
    due: 86_400,
  },
  {
    integration: 'hubspot',
    what: '429 "ten_secondly_rolling", no policy, a search',
    act: 'read',
    answer: () => json(429, { message: 'You have reached your ten_secondly_rolling limit.' }),
    then: limited,
    requests: 1,
    due: 10,
  },
  {
    integration: 'calendly',
    what: '429, Reset 60',
    act: 'create',
    answer: () => json(429, {}, { 'x-ratelimit-reset': '60' }),
    then: limited,
    requests: 1,
    due: 60,
  },
  {
    integration: 'cal-com',
    what: '429 of two limits, Reset 5 and 60',
    act: 'create',
    answer: (fake) => fake.limited(5_000),
    then: limited,
    requests: 1,
    due: 5,
  },
  {
    integration: 'acuity',
    what: '409 (no such thing is kept)',
    act: 'create',
    answer: () => json(409, { error: 'conflict', message: 'no' }),
    then: 'final',
    requests: 1,
  },
  {
    integration: 'sendgrid',
    what: '403, a block or a right',
    act: 'create',
    answer: () => json(403, { errors: [{ message: 'access forbidden' }] }),
    then: 'final, responded',
    requests: 1,
  },
  {
    integration: 'sendgrid',
    what: '401 "Maximum credits exceeded"',
    act: 'create',
    answer: () => json(401, { errors: [{ message: 'Maximum credits exceeded' }] }),
    then: limited,
    requests: 1,
    due: day,
  },
  {
    integration: 'mailchimp',
    what: '400 "signed up to a lot of lists"',
    act: 'create',
    answer: () => json(400, { detail: 'x has signed up to a lot of lists very recently' }),
    then: limited,
    requests: 1,
    due: 86_400,
  },
  {
    integration: 'mailchimp',
    what: '503 "Request Blocked"',
    act: 'create',
    answer: () => html(503, '<title>Request Blocked</title>'),
    then: limited,
    requests: 1,
    due: 600,
  },
  {
    integration: 'mailchimp-transactional',
    what: '500 GeneralError, a mail that went out',
    act: 'create',
    answer: () => json(500, { status: 'error', name: 'GeneralError', message: 'no' }),
    done: true,
    then: 'not-repeatable, unknown',
    requests: 1,
  },
  {
    integration: 'stripe',
    what: '500 of a POST, which is stored with its key',
    act: 'create',
    answer: () => json(500, { error: { type: 'api_error', message: 'no' } }),
    done: true,
    then: 'final, unknown',
    requests: 1,
  },
  {
    integration: 'stripe',
    what: '503, Stripe-Should-Retry: false',
    act: 'read',
    answer: () => json(503, { error: { type: 'api_error' } }, { 'stripe-should-retry': 'false' }),
    then: 'final, unknown',
    requests: 1,
  },
  {
    integration: 'stripe',
    what: '402, a declined card',
    act: 'create',
    answer: () => json(402, { error: { type: 'card_error', decline_code: 'insufficient_funds' } }),
    then: 'final',
    requests: 1,
  },
  {
    integration: 'openai',
    what: '429 rate_limit_exceeded, tokens again in 6m0s',
    act: 'read',
    answer: () =>
      openai(429, 'rate_limit_exceeded', {
        'x-ratelimit-remaining-requests': '10',
        'x-ratelimit-reset-requests': '1s',
        'x-ratelimit-remaining-tokens': '0',
        'x-ratelimit-reset-tokens': '6m0s',
      }),
    then: limited,
    requests: 1,
    due: 360,
  },
  {
    integration: 'openai',
    what: '429 insufficient_quota',
    act: 'read',
    answer: () => openai(429, 'insufficient_quota'),
    then: 'final, responded',
    requests: 1,
  },
  {
    integration: 'openai',
    what: '503 server_is_overloaded',
    act: 'create',
    answer: () => openai(503, 'server_is_overloaded', { 'retry-after': '20' }),
    then: limited,
    requests: 1,
    due: 20,
  },
  {
    integration: 'anthropic',
    what: '529 overloaded_error',
    act: 'read',
    answer: () => anthropic(529, { type: 'overloaded_error', message: 'Overloaded' }),
    then: 'answered',
    requests: 2,
  },
  {
    integration: 'anthropic',
    what: '429, the spend limit of a month',
    act: 'read',
    answer: () =>
      anthropic(429, { type: 'rate_limit_error', details: { error_code: 'enforced_spend_limit_reached' } }),
    then: limited,
    requests: 1,
    due: month,
  },
  {
    integration: 'anthropic',
    what: '409 conflict_error',
    act: 'create',
    answer: () => anthropic(409, { type: 'conflict_error', message: 'no' }),
    then: 'answered',
    requests: 2,
  },
  {
    integration: 'slack',
    what: '200 {ok: false, internal_error} to a post',
    act: 'create',
    answer: () => json(200, { ok: false, error: 'internal_error' }),
    done: true,
    then: 'not-repeatable, unknown',
    requests: 1,
  },
  {
    integration: 'slack',
    what: '200 {ok: false, fatal_error} to a read',
    act: 'read',
    answer: () => json(200, { ok: false, error: 'fatal_error' }),
    then: 'answered',
    requests: 2,
  },
  {
    integration: 'slack',
    what: '200 {ok: false, ratelimited}, Retry-After 30',
    act: 'create',
    answer: () => json(200, { ok: false, error: 'ratelimited' }, { 'retry-after': '30' }),
    then: limited,
    requests: 1,
    due: 30,
  },
  {
    integration: 'resend',
    what: '429 daily_quota_exceeded',
    act: 'create',
    answer: () => json(429, { name: 'daily_quota_exceeded', message: 'no' }),
    then: limited,
    requests: 1,
    due: day,
  },
  {
    integration: 'resend',
    what: '429 monthly_quota_exceeded',
    act: 'create',
    answer: () => json(429, { name: 'monthly_quota_exceeded', message: 'no' }),
    then: limited,
    requests: 1,
    due: month,
  },
  {
    integration: 'twilio',
    what: '429 (20429), Retry-After 15',
    act: 'create',
    answer: () => json(429, { code: 20429 }, { 'retry-after': '15' }),
    then: limited,
    requests: 1,
    due: 15,
  },
  {
    integration: 'twilio',
    what: '500 (20500) to a message',
    act: 'create',
    answer: () => json(500, { code: 20500 }),
    done: true,
    then: 'not-repeatable, unknown',
    requests: 1,
  },
  {
    integration: 'github',
    what: '403, nothing remains, reset in 900 s',
    act: 'create',
    answer: (fake) => fake.limited(900_000),
    then: limited,
    requests: 1,
    due: 900,
  },
  {
    integration: 'github',
    what: '403 "secondary rate limit"',
    act: 'create',
    answer: () => json(403, { message: 'You have exceeded a secondary rate limit.' }),
    then: limited,
    requests: 1,
    due: 60,
  },
  {
    integration: 'github',
    what: '403, a right that is missing',
    act: 'create',
    answer: () => json(403, { message: 'Resource not accessible by integration' }),
    then: 'final',
    requests: 1,
  },
]

import { describe, expect, it } from 'vitest'
import { recordOfCall, type CapturedFacts } from '../../../../../src/dead-letter/capture/record-of-call.ts'
import { redactBody } from '../../../../../src/dead-letter/record/redaction/body.ts'
import { type BodyKind, redactHeaders } from '../../../../../src/dead-letter/record/redaction/headers.ts'
import { defaultRules, type RedactionRules } from '../../../../../src/dead-letter/record/redaction/rules.ts'
import { redactText } from '../../../../../src/http/secrets/redacted-text.ts'
import { redactedUrl } from '../../../../../src/http/secrets/redacted-url.ts'
import { capturedFacts } from '../../../../support/dead-letters/captured-facts.ts'

const SECRET = 's3cr3t-value'

describe('headers', () => {
  it.each([
    'authorization',
    'Authorization',
    'PROXY-AUTHORIZATION',
    'cookie',
    'Set-Cookie',
    'x-api-key',
    'X-API-Key',
    'api_key',
    'apikey',
    'x-auth-token',
    'X-Amz-Security-Token',
    'x-hubspot-signature-v3',
    'x-csrf-token',
    'x-password',
    'client-secret',
    'x-session-id',
    'private-app-token',
    'x-unknown-custom-header',
    'referer',
  ])('keeps the name of %s and not its value', (name) => {
    const { kept, omitted } = redactHeaders([[name, SECRET]], defaultRules)
    expect(JSON.stringify(kept)).not.toContain(SECRET)
    expect(omitted).toEqual([name.toLowerCase()])
  })

  it.each([
    'content-type',
    'Accept',
    'If-Match',
    'traceparent',
    'tracestate',
    'Idempotency-Key',
    'user-agent',
    'x-request-id',
  ])('keeps %s verbatim, its name in lower case', (name) => {
    const { kept, omitted } = redactHeaders([[name, 'value']], defaultRules)
    expect({ ...kept }).toEqual({ [name.toLowerCase()]: 'value' })
    expect(omitted).toEqual([])
  })

  it('keeps every value of a repeated header in order', () => {
    const { kept } = redactHeaders(
      [
        ['accept', 'a'],
        ['Accept', 'b'],
        ['accept', 'c'],
      ],
      defaultRules,
    )
    expect(kept['accept']).toEqual(['a', 'b', 'c'])
  })

  it('neither keeps nor misses what belongs to the connection', () => {
    const { kept, omitted } = redactHeaders(
      ['Host', 'content-length', 'Connection', 'transfer-encoding'].map((name) => [name, 'x'] as const),
      defaultRules,
    )
    expect([{ ...kept }, omitted]).toEqual([{}, []])
  })

  it('keeps what the user names, except credentials, and drops what the user names', () => {
    const rules: RedactionRules = {
      ...defaultRules,
      keepHeaders: new Set(['x-tenant', 'authorization', 'x-api-key']),
      headers: new Set(['user-agent']),
    }
    const { kept, omitted } = redactHeaders(
      [
        ['X-Tenant', 'acme'],
        ['Authorization', SECRET],
        ['x-api-key', SECRET],
        ['user-agent', 'me'],
      ],
      rules,
    )
    expect({ ...kept }).toEqual({ 'x-tenant': 'acme' })
    expect(omitted).toEqual(['authorization', 'x-api-key', 'user-agent'])
  })

  it('takes __proto__ for a name like any other', () => {
    const rules = { ...defaultRules, keepHeaders: new Set(['__proto__']) }
    const { kept } = redactHeaders([['__proto__', 'x']], rules)
    expect(Object.keys(kept)).toEqual(['__proto__'])
    expect(({} as Record<string, unknown>)['x']).toBeUndefined()
  })
})

describe('urls', () => {
  it.each([
    [`https://user:${SECRET}@a.test/x`, 'https://a.test/x', []],
    [`https://${SECRET}@a.test/x`, 'https://a.test/x', []],
    [`https://a.test/x#${SECRET}`, 'https://a.test/x', []],
    [`https://a.test/x?hapikey=${SECRET}&n=1`, 'https://a.test/x?hapikey=[redacted]&n=1', ['hapikey']],
    [`https://a.test/?API_KEY=${SECRET}`, 'https://a.test/?API_KEY=[redacted]', ['API_KEY']],
    [
      `https://a.test/?access%5Ftoken=${SECRET}`,
      'https://a.test/?access%5Ftoken=[redacted]',
      ['access%5Ftoken'],
    ],
    [
      `https://a.test/?X-Amz-Signature=${SECRET}&a`,
      'https://a.test/?X-Amz-Signature=[redacted]&a',
      ['X-Amz-Signature'],
    ],
    [
      `https://a.test/?code=${SECRET}&sig=${SECRET}`,
      'https://a.test/?code=[redacted]&sig=[redacted]',
      ['code', 'sig'],
    ],
    [`https://a.test/?token=${SECRET}=${SECRET}`, 'https://a.test/?token=[redacted]', ['token']],
    [`https://a.test/?q=a%zz&token=${SECRET}`, 'https://a.test/?q=a%zz&token=[redacted]', ['token']],
  ])('keeps no secret of %s', (url, expected, names) => {
    expect(redactedUrl(url, defaultRules.url)).toEqual({ url: expected, query: names, path: false })
  })

  it('redacts what the user names', () => {
    const rules = { query: new Set(['email']), path: undefined }
    expect(redactedUrl('https://a.test/?Email=ada', rules).url).toBe('https://a.test/?Email=[redacted]')
  })

  it('takes urls out of texts', () => {
    const text = redactText(`fetch of https://u:${SECRET}@a.test/?token=${SECRET} failed`, 1000)
    expect(text).toBe('fetch of https://a.test/?token=[redacted] failed')
  })
})

const JSON_TYPE = 'application/json; charset=utf-8'
const kind = (type: string): BodyKind => ({ type, encoding: '' })
const JSON_KIND = kind(JSON_TYPE)

describe('bodies', () => {
  it.each([
    [{ password: SECRET }],
    [{ user: { Password: SECRET, name: 'ada' } }],
    [[{ passwd: SECRET }, { pwd: SECRET }]],
    [{ access_token: SECRET, refreshToken: SECRET, id_token: SECRET }],
    [{ client_secret: SECRET, 'api-key': SECRET, apiKey: SECRET, API_KEY: SECRET }],
    [{ private_key: SECRET, secretAccessKey: SECRET, accessKey: SECRET }],
    [{ credentials: { user: 'ada', value: SECRET } }],
    [{ Authorization: SECRET }],
    [{ card_number: SECRET, cvc: SECRET, cvv2: SECRET }],
    [{ token: [SECRET, SECRET] }],
  ])('keeps no secret of %j, in JSON', (value) => {
    const { body, changed } = redactBody(Buffer.from(JSON.stringify(value)), JSON_KIND, defaultRules)
    expect(changed).toBe(true)
    expect(body!.toString()).not.toContain(SECRET)
    expect(() => JSON.parse(body!.toString()) as unknown).not.toThrow()
  })

  it('sees through escapes in the name of a field', () => {
    const { body } = redactBody(Buffer.from(`{"p\\u0061ssword":"${SECRET}"}`), JSON_KIND, defaultRules)
    expect(body!.toString()).not.toContain(SECRET)
  })

  it.each([
    [`password=${SECRET}&name=ada`, 'password=[redacted]&name=ada'],
    [`user%5Bpassword%5D=${SECRET}`, 'user%5Bpassword%5D=[redacted]'],
    [`client_secret=${SECRET}&grant_type=x`, 'client_secret=[redacted]&grant_type=x'],
  ])('keeps no secret of the form %s', (form, expected) => {
    const { body, changed } = redactBody(
      Buffer.from(form),
      kind('application/x-www-form-urlencoded'),
      defaultRules,
    )
    expect(changed).toBe(true)
    expect(body!.toString()).toBe(expected)
  })

  it('keeps nothing of a multipart form with a secret field', () => {
    const form = `--b\r\nContent-Disposition: form-data; name="password"\r\n\r\n${SECRET}\r\n--b--`
    expect(redactBody(Buffer.from(form), kind('multipart/form-data; boundary=b'), defaultRules)).toEqual({
      body: undefined,
      changed: true,
    })
  })

  it('keeps nothing of JSON with a secret word that cannot be read or is nested too deep', () => {
    const deep = '['.repeat(200_000) + `{"password":"${SECRET}"}` + ']'.repeat(200_000)
    for (const text of [`{"password":"${SECRET}"]`, deep]) {
      expect(redactBody(Buffer.from(text), JSON_KIND, defaultRules).body).toBeUndefined()
    }
  })

  it.each([
    ['{"code":"DE","key":"value","session":"morning","signature":"Ada"}', JSON_TYPE],
    ['{"note":"the password is said elsewhere"}', JSON_TYPE],
    ['name=ada&code=7', 'application/x-www-form-urlencoded'],
    ['{"big":12345678901234567890}', JSON_TYPE],
    ['plain text with a token in it', 'text/plain'],
    ['', JSON_TYPE],
  ])('leaves %s byte for byte as it was', (text, type) => {
    const body = Buffer.from(text)
    expect(redactBody(body, kind(type), defaultRules)).toEqual({ body, changed: false })
  })

  it('leaves bytes that are no text as they were', () => {
    const body = Buffer.from(Uint8Array.from({ length: 512 }, (_, i) => i % 256))
    expect(redactBody(body, kind('application/octet-stream'), defaultRules).body).toBe(body)
  })

  it('redacts the fields that the user names, and nothing when told so', () => {
    const body = Buffer.from('{"ssn":"1","password":"p"}')
    const named = { ...defaultRules, body: new Set(['ssn']) }
    expect(redactBody(body, JSON_KIND, named).body!.toString()).toBe(
      '{"ssn":"[redacted]","password":"[redacted]"}',
    )
    expect(redactBody(body, JSON_KIND, { ...defaultRules, body: undefined }).body).toBe(body)
  })
})

describe('the whole record', () => {
  it('holds no secret of any part of the call', () => {
    const parts: Record<string, CapturedFacts['body']> = {
      json: complete(`{"password":"${SECRET}"}`),
      form: complete(`password=${SECRET}`),
    }
    for (const [kind, body] of Object.entries(parts)) {
      const facts: CapturedFacts = {
        id: 'id',
        integration: 'crm',
        now: 1,
        method: 'POST',
        url: `https://u:${SECRET}@a.test/?token=${SECRET}#${SECRET}`,
        headers: [
          ['authorization', `Bearer ${SECRET}`],
          ['cookie', SECRET],
          ['content-type', kind === 'json' ? JSON_TYPE : 'application/x-www-form-urlencoded'],
        ],
        body,
        bodyWithoutWords: false,
        attempts: 1,
        history: [{ at: 1, ms: 1, code: 'ECONNRESET' }],
        givenUp: undefined,
        outcome: {
          kind: 'response',
          statusCode: 500,
          headers: {
            'set-cookie': [SECRET],
            'content-type': JSON_TYPE,
            location: `https://a.test/?token=${SECRET}`,
          },
        },
        responseBody: { bytes: Buffer.from(`{"access_token":"${SECRET}"}`), truncated: false, max: 8192 },
        repeatable: false,
        idempotencyKey: undefined,
        orderingKey: undefined,
        labels: undefined,
      }
      const record = recordOfCall(facts, defaultRules, undefined)
      expect(JSON.stringify(record)).not.toContain(SECRET)
      expect(Buffer.from(record.request.body!).includes(SECRET)).toBe(false)
      const error = new Error(`GET https://a.test/?token=${SECRET}`, {
        cause: new Error(`https://u:${SECRET}@b.test/`),
      })
      const failed = { kind: 'error', error, code: undefined, delivery: 'unknown' } as const
      expect(
        JSON.stringify(recordOfCall({ ...facts, outcome: failed }, defaultRules, undefined)),
      ).not.toContain(SECRET)
    }
  })

  it('holds an error chain of five at most, and five parts of an AggregateError', () => {
    let error: Error = new Error('root')
    for (let i = 0; i < 20; i++) error = new Error(`level ${i}`, { cause: error })
    const many = new AggregateError(
      Array.from({ length: 9 }, (_, i) => new Error(`part ${i}`)),
      'many',
      { cause: error },
    )
    const facts = { kind: 'error', error: many, code: undefined, delivery: 'unknown' } as const
    const record = recordOfCall({ ...capturedFacts, outcome: facts }, defaultRules, undefined)
    let depth = 0
    for (let one: typeof record.error | undefined = record.error; one !== undefined; one = one.cause) depth++
    expect(depth).toBe(5)
    expect(record.error.errors).toHaveLength(5)
  })
})

function complete(text: string): CapturedFacts['body'] {
  return { bytes: Buffer.from(text), size: Buffer.byteLength(text), complete: true }
}

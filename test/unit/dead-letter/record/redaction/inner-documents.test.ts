import { deflateSync, gzipSync, brotliCompressSync, zstdCompressSync, deflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { redactBody } from '../../../../../src/dead-letter/record/redaction/body.ts'
import { redactResponseBody } from '../../../../../src/dead-letter/record/redaction/response-body.ts'
import { defaultRules } from '../../../../../src/dead-letter/record/redaction/rules.ts'

const SECRET = 's3cr3t-value'
const JSON_TYPE = 'application/json'

function kept(text: string, type: string, fields: readonly string[] = []): string | undefined {
  const rules = { ...defaultRules, body: new Set(fields) }
  return redactBody(Buffer.from(text), { type, encoding: '' }, rules).body?.toString()
}

describe('names that the user gives', () => {
  it.each([
    ['{"contraseña":"x"}', JSON_TYPE, '{"contraseña":"[redacted]"}'],
    ['{"CONTRASE\\u00d1A":"x"}', JSON_TYPE, '{"CONTRASE\\u00d1A":"[redacted]"}'],
    // n and a combining tilde
    ['{"contrasen\u0303a":"x"}', JSON_TYPE, '{"contrasen\u0303a":"[redacted]"}'],
    ['contrase%C3%B1a=x&a=1', 'application/x-www-form-urlencoded', 'contrase%C3%B1a=[redacted]&a=1'],
    [
      'user%5Bcontrase%C3%B1a%5D=x',
      'application/x-www-form-urlencoded',
      'user%5Bcontrase%C3%B1a%5D=[redacted]',
    ],
    [
      '--b\r\nContent-Disposition: form-data; name="contraseña"\r\n\r\nx\r\n--b--',
      'multipart/form-data; boundary=b',
      undefined,
    ],
    [
      "--b\r\nContent-Disposition: form-data; name*=UTF-8''contrase%C3%B1a\r\n\r\nx\r\n--b--",
      'multipart/form-data; boundary=b',
      undefined,
    ],
  ])('are found in %s', (text, type, expected) => {
    expect(kept(text, type)).toBe(text)
    expect(kept(text, type, ['contraseña'])).toBe(expected)
  })

  it('are found inside the object that they name', () => {
    expect(kept('{"person":{"ssn":"1"},"ssn":"2"}', JSON_TYPE, ['person.ssn'])).toBe(
      '{"person":{"ssn":"[redacted]"},"ssn":"2"}',
    )
  })
})

describe('values beside labels', () => {
  it.each([
    [
      '{"value":"x","name":"token","Value":"y"}',
      '{"value":"[redacted]","name":"token","Value":"[redacted]"}',
    ],
    [
      '{"name":"token","value":"x","values":["y"]}',
      '{"name":"token","value":"[redacted]","values":"[redacted]"}',
    ],
    [
      '{"key":"token","value":{"a":"x","b":{"token":"y"},"c":"https://u:p@h/"},"d":"z"}',
      '{"key":"token","value":"[redacted]","d":"z"}',
    ],
    ['{"key":"token","value":{"a":"cut off he', '{"key":"token","value":"[redacted]"'],
    ['{"key":"note","value":{"a":"x"}}', '{"key":"note","value":{"a":"x"}}'],
  ])('%s', (text, shown) => {
    expect(kept(text, JSON_TYPE)).toBe(shown)
  })
})

describe('documents inside documents', () => {
  const nested = (levels: number, innermost: object = { password: SECRET }): string => {
    let text = JSON.stringify(innermost)
    for (let i = 0; i < levels; i++) text = JSON.stringify({ inner: text })
    return text
  }

  it.each([1, 2, 3, 4, 5, 6, 8])('are looked into %s levels deep, or are not kept', (levels) => {
    expect(kept(nested(levels), JSON_TYPE)).not.toContain(SECRET)
  })

  it.each([
    [
      'in a document that is cut off in an escape',
      `{"a":"{\\"hook\\":\\"https://hooks.slack.com/services/T0/B0/${SECRET}\\",\\`,
      JSON_TYPE,
    ],
    ['in a url that is nested too deep', nested(4, { db: `pg://u:${SECRET}@h/` }), JSON_TYPE],
    ['in a url that is cut off in its password', `{"db":"postgres://ada:${SECRET}`, JSON_TYPE],
    ['after a byte order mark', `\ufeff{"password":"${SECRET}"}`, JSON_TYPE],
    [
      'in a part whose header goes on in the next line',
      `--b\r\nContent-Disposition: form-data;\r\n name="password"\r\n\r\n${SECRET}\r\n--b--`,
      'multipart/form-data; boundary=b',
    ],
    [
      'where another parameter ends like `boundary`',
      `--b\r\nContent-Disposition: form-data; name="password"\r\n\r\n${SECRET}\r\n--b--`,
      'multipart/form-data; xboundary=c; boundary=b',
    ],
    [
      'in JSON that a form carries with semicolons',
      `data={"a":"b;c=d","password":"${SECRET}"}`,
      'application/x-www-form-urlencoded',
    ],
  ])('are found %s', (_where, text, type) => {
    expect(kept(text, type) ?? '').not.toContain(SECRET)
  })

  it('are found in parts inside parts', () => {
    const inner = `--c\r\nContent-Type: application/json\r\n\r\n{"password":"${SECRET}"}\r\n--c--`
    const outer = `--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n${inner}\r\n--b--`
    expect(kept(outer, 'multipart/mixed; boundary=b')).toBeUndefined()
  })

  it('are found in a url of a batch, and in a batch without a content type', () => {
    const batch = (target: string): string =>
      `--b\r\nContent-Type: application/http\r\n\r\nGET ${target} HTTP/1.1\r\nAccept: */*\r\n\r\n--b--`
    expect(kept(batch(`/x?access_token=${SECRET}`), 'multipart/mixed; boundary=b')).toBeUndefined()
    expect(kept(batch(`/x?access_token=${SECRET}`), '')).toBeUndefined()
    expect(kept(batch('/x?page=1'), 'multipart/mixed; boundary=b')).toBe(batch('/x?page=1'))
  })

  it('keeps the bytes of a file that comes with a form', () => {
    const file = Buffer.from(Uint8Array.from({ length: 2 * 1024 * 1024 }, (_, i) => (i * 31) % 256))
    const body = Buffer.concat([
      Buffer.from(
        '--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\nContent-Type: image/png\r\n\r\n',
      ),
      file,
      Buffer.from('\r\n--b--'),
    ])
    expect(
      redactBody(body, { type: 'multipart/form-data; boundary=b', encoding: '' }, defaultRules).body,
    ).toBe(body)
  })
})

const encodings = [
  ['gzip', gzipSync],
  ['deflate', deflateSync],
  ['deflate', deflateRawSync],
  ['br', brotliCompressSync],
  ['zstd', zstdCompressSync],
] as const

describe.each(encodings)('a body encoded with %s', (encoding, compress) => {
  const kind = { type: JSON_TYPE, encoding }
  const taken = (bytes: Buffer, max = 8192) =>
    redactResponseBody({ bytes, truncated: false, max }, kind, defaultRules)

  it('is shown decoded in a response, without its secrets', () => {
    expect(taken(compress(Buffer.from(`{"error":"down","token":"${SECRET}"}`)))).toEqual({
      text: '{"error":"down","token":"[redacted]"}',
      truncated: false,
    })
  })

  it('is cut to what is to be kept', () => {
    const shown = taken(compress(Buffer.from('x'.repeat(10_000))), 100)
    expect(shown).toEqual({ text: 'x'.repeat(100), truncated: true })
  })

  it('is decoded as far as it goes where it was cut off', () => {
    const text = Array.from({ length: 30_000 }, (_, i) => `line ${(i * 7919) % 9973}`).join('\n')
    const whole = compress(Buffer.from(text))
    const bytes = whole.subarray(0, Math.floor(whole.byteLength * 0.9))
    const shown = redactResponseBody({ bytes, truncated: true, max: 8192 }, kind, defaultRules)
    // Node gives nothing of a zstd frame that is not whole
    expect(shown).toEqual({ text: encoding === 'zstd' ? '' : text.slice(0, 8192), truncated: true })
  })

  it('is left out where it is damaged, or would have more than a megabyte', () => {
    for (const bytes of [Buffer.from('no such encoding'), compress(Buffer.alloc(50 * 1024 * 1024))]) {
      expect(taken(bytes)).toEqual({ text: undefined, truncated: true })
    }
  })

  it('is kept as it was sent in a request, unless a secret is inside', () => {
    const plain = compress(Buffer.from('{"name":"ada"}'))
    expect(redactBody(plain, kind, defaultRules)).toEqual({ body: plain, changed: false })
    for (const secret of [compress(Buffer.from(`{"password":"${SECRET}"}`)), Buffer.from('damaged')]) {
      expect(redactBody(secret, kind, defaultRules)).toEqual({ body: undefined, changed: true })
    }
  })
})

it('leaves a response body of an unknown encoding out', () => {
  const body = { bytes: Buffer.from('abc'), truncated: false, max: 100 }
  expect(redactResponseBody(body, { type: JSON_TYPE, encoding: 'compress' }, defaultRules)).toEqual({
    text: undefined,
    truncated: true,
  })
})

/** What stands under the name of a secret: it, or what has it inside. */
const { value: secretValue } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom<unknown>(SECRET, `${SECRET}"\\\n`, 1, null, true),
    fc.array(tie('value'), { maxLength: 2 }),
    fc.dictionary(fc.constantFrom('a', 'value', 'name'), tie('value'), { maxKeys: 2 }),
  ),
}))

const { document } = fc.letrec<{ document: unknown }>((tie) => ({
  document: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom<unknown>(1, null, '', 'a=b', 'b:c', 'x;y=z', 'https://a.example/?p=1'),
    fc.constantFrom(
      `https://a.example/?token=${SECRET}&p=1`,
      `pg://u:${SECRET}@h/x`,
      `p=1;password=${SECRET}`,
    ),
    fc.array(tie('document'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom('a', 'name', 'key', 'value', 'ü', ''), tie('document'), { maxKeys: 3 }),
    fc.dictionary(fc.constantFrom('password', 'apiKey', 'Authorization', 'card[number]'), secretValue, {
      maxKeys: 2,
    }),
    fc.record({ name: fc.constantFrom('token', 'api_key'), value: secretValue, rest: tie('document') }),
    tie('document').map((inner) => JSON.stringify(inner)),
  ),
}))

it('no secret of a document is kept, however it is nested and wherever it is cut off, and JSON stays JSON', () => {
  fc.assert(
    fc.property(fc.tuple(document, document), fc.double({ min: 0, max: 1, noNaN: true }), (both, cut) => {
      const text = JSON.stringify(both)
      const shown = kept(text, JSON_TYPE)
      expect(shown ?? '').not.toContain(SECRET)
      if (shown !== undefined) JSON.parse(shown)
      expect(kept(text.slice(0, cut * text.length), JSON_TYPE) ?? '').not.toContain(SECRET)
    }),
    { numRuns: 1_000 },
  )
})

it('a response loses credentials that it echoes in a text, unless bodies are to be kept as they are', () => {
  const echo =
    '{"error":"Bearer abcdef1234567890 and ghp_abcdefghijklmnopqrstuvwxyz0123456789 are not valid"}'
  const body = { bytes: Buffer.from(echo), truncated: false, max: 8192 }
  const kind = { type: JSON_TYPE, encoding: '' }
  expect(redactResponseBody(body, kind, defaultRules).text).toBe(
    '{"error":"Bearer [redacted] and [redacted] are not valid"}',
  )
  expect(redactResponseBody(body, kind, { ...defaultRules, body: undefined }).text).toBe(echo)
})

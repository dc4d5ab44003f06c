import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { messageWithoutUserinfo, redactUrl } from '../../../../src/http/secrets/redacted-url.ts'

describe('redactUrl', () => {
  it.each([
    ['https://a.example/b?page=2', 'https://a.example/b?page=2'],
    ['https://user:pass@a.example/b', 'https://a.example/b'],
    ['https://a.example/b?hapikey=1&page=2#part', 'https://a.example/b?hapikey=[redacted]&page=2'],
    [
      'https://a.example/b?access_token=1&Api-Key=2&X-Amz-Signature=3',
      'https://a.example/b?access_token=[redacted]&Api-Key=[redacted]&X-Amz-Signature=[redacted]',
    ],
    ['https://a.example/b?client%5Fsecret=1', 'https://a.example/b?client%5Fsecret=[redacted]'],
    ['https://a.example/b?%zz=1&token=2', 'https://a.example/b?%zz=1&token=[redacted]'],
    ['https://a.example/@me?x=a@b', 'https://a.example/@me?x=a@b'],
    ['https://a.example/b#token=1', 'https://a.example/b'],
  ])('%s becomes %s', (url, redacted) => {
    expect(redactUrl(url)).toBe(redacted)
  })

  it('knows further names that it is told', () => {
    expect(redactUrl('https://a.example/?Tenant=1', { query: new Set(['tenant']), path: undefined })).toBe(
      'https://a.example/?Tenant=[redacted]',
    )
  })

  it('never lets the value of a secret parameter through, and never throws', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('token', 'api_key', 'apikey', 'password', 'client_secret', 'signature', 'hapikey'),
        fc
          .string({ minLength: 1, unit: 'grapheme-ascii' })
          .map((text) => `SECRET${encodeURIComponent(text)}`),
        fc.webUrl({ withQueryParameters: true, withFragments: true }),
        (name, secret, base) => {
          const url = new URL(base)
          url.searchParams.append(name, 'placeholder')
          expect(redactUrl(url.href.replace('placeholder', secret))).not.toContain(secret)
        },
      ),
    )
  })
})

describe('messageWithoutUserinfo', () => {
  it('takes name and password out of urls in a message', () => {
    expect(messageWithoutUserinfo("unknown option '--stor=redis://me:p@ss:w@host/1'")).toBe(
      "unknown option '--stor=redis://host/1'",
    )
  })
})

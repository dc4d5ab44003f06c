import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { messageWithoutUserinfo, redactUrl } from '../../../../src/http/secrets/redacted-url.ts'

function base32(bytes: Uint8Array, alphabet: string): string {
  const bits = Array.from(bytes, (byte) => byte.toString(2).padStart(8, '0')).join('')
  return (bits.match(/.{1,5}/g) ?? []).map((five) => alphabet[parseInt(five.padEnd(5, '0'), 2)]).join('')
}

function letters(length: number): fc.Arbitrary<string> {
  return fc.stringMatching(new RegExp(`^[0-9A-Za-z]{${length}}$`))
}

function hex(length: number): fc.Arbitrary<string> {
  return fc.stringMatching(new RegExp(`^[0-9a-f]{${length}}$`))
}

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

  it('knows every webhook of Mattermost, on any host', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
        const id = base32(bytes, 'ybndrfg8ejkmcpqxot1uwisza345h769')
        fc.pre(/\d/.test(id))
        expect(redactUrl(`https://chat.a.example/hooks/${id}`)).toBe(
          'https://chat.a.example/hooks/[redacted]',
        )
        // its API, where the id of a webhook is no address
        const inApi = `https://chat.a.example/api/v4/hooks/incoming/${id}`
        expect(redactUrl(inApi)).toBe(inApi)
        expect(redactUrl(`https://a.example/hooks/${id}/x;v=1?page=2`)).toBe(
          'https://a.example/hooks/[redacted]/x;v=1?page=2',
        )
      }),
    )
  })

  it.each<[string, fc.Arbitrary<string>]>([
    ['UUIDs', fc.uuid()],
    ['UUIDs without dashes', fc.uuid().map((id) => id.replaceAll('-', ''))],
    ['ULIDs', fc.ulid().map((id) => `0${id.slice(1)}`)],
    ['ULIDs in small letters', fc.ulid().map((id) => `0${id.slice(1)}`.toLowerCase())],
    ['ObjectIds', hex(24)],
    ['ids of 27 letters and digits (KSUID)', letters(27)],
    ['ids of 21 letters and digits (nanoid)', letters(21)],
    ['ids of 17 letters and digits (Meteor)', letters(17)],
    ['ids of 25 small letters and digits (cuid)', letters(24).map((id) => `c${id.toLowerCase()}`)],
    ['ids with a prefix (Stripe)', letters(24).map((id) => `we_${id}`)],
    ['numbers', fc.nat().map(String)],
    ['words', fc.constantFrom('incoming', 'github-push-2026-11-28-to-main', 'organizationmemberscreated')],
  ])('takes none of %s after `hooks` and `webhooks` for a secret', (_what, ids) => {
    fc.assert(
      fc.property(fc.constantFrom('hooks', 'hook', 'webhooks', 'webhook'), ids, (segment, id) => {
        const url = `https://a.example/v1/${segment}/${id}`
        expect(redactUrl(url)).toBe(url)
      }),
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

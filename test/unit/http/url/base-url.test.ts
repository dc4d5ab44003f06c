import { describe, expect, it } from 'vitest'
import { ResilientHttpClient } from '../../../../src/index.ts'
import { createSendGridAgent, createSendGridClient } from '../../../../src/providers/sendgrid.ts'

const takers: [string, (baseUrl: unknown) => unknown][] = [
  ['ResilientHttpClient', (baseUrl) => new ResilientHttpClient({ baseUrl } as never)],
  ['createSendGridAgent', (baseUrl) => createSendGridAgent({ baseUrl } as never)],
  ['createSendGridClient', (baseUrl) => createSendGridClient({ apiKey: 'k', baseUrl } as never)],
]

describe.each(takers)('the `baseUrl` of %s', (_factory, make) => {
  it.each([
    ['/relative', TypeError, '`baseUrl` must be an absolute http(s) url, got "/relative"'],
    ['', TypeError, '`baseUrl` must be an absolute http(s) url, got ""'],
    [null, TypeError, '`baseUrl` must be an absolute http(s) url, got null'],
    [7, TypeError, '`baseUrl` must be an absolute http(s) url, got 7'],
    ['ftp://host/v3', RangeError, '`baseUrl` must be an http(s) url, got "ftp://host/v3"'],
    [
      'https://user:pass-word@host/v3',
      RangeError,
      '`baseUrl` must have no userinfo, got it for "https://host/v3"',
    ],
    [
      new URL('https://host/v3?key=s3cr3t'),
      RangeError,
      '`baseUrl` must have no query and no fragment, got one for "https://host/v3"',
    ],
    [
      'https://host/#s3cr3t',
      RangeError,
      '`baseUrl` must have no query and no fragment, got one for "https://host/"',
    ],
  ])('%s is refused, and no secret in it is shown', (baseUrl, kind, message) => {
    expect(() => make(baseUrl)).toThrow(new kind(message))
  })

  it('is taken as a string and as a URL', () => {
    make('https://host/v3/')
    make(new URL('http://host:8080'))
  })
})

import { describe, expect, it } from 'vitest'
import { accountOf, credentialsIn } from '../../../../src/http/secrets/credential.ts'

const credentialOf = (headers: unknown): string | undefined => {
  const found = credentialsIn(headers as never)
  return found === undefined ? undefined : accountOf(found)
}

describe('whose credentials a request carries', () => {
  it.each([
    [{ authorization: 'Bearer abc' }, 'Bearer abc'],
    [{ Authorization: 'Basic eDp5' }, 'Basic eDp5'],
    [['Authorization', 'Bearer abc', 'accept', '*/*'], 'Bearer abc'],
    [{ authorization: 'Bearer abc', cookie: 'other=1' }, 'Bearer abc'],
    [{ 'X-Api-Key': 'k1', accept: '*/*' }, 'k1'],
    [{ 'x-shopify-access-token': 't1' }, 't1'],
    [{ 'xi-api-key': 'k2' }, 'k2'],
    [{ 'private-token': 'p' }, 'p'],
    [{ 'ocp-apim-subscription-key': 's' }, 's'],
    [{ cookie: 'session=1' }, 'session=1'],
    [new Map([['x-auth-token', 'm']]), 'm'],
  ])('is said by %o', (headers, credential) => {
    expect(credentialOf(headers)).toBe(credential)
  })

  it.each([
    undefined,
    null,
    {},
    {
      accept: '*/*',
      'idempotency-key': 'k',
      'x-request-id': '1',
      'x-csrf-token': 'c',
      'sec-websocket-key': 'w',
    },
    { authorization: undefined },
  ])('is not said by %o', (headers) => {
    expect(credentialOf(headers)).toBeUndefined()
  })

  it('is the same for every signature of an account', () => {
    const aws = (signature: string, day: string, key = 'AKIA1') =>
      credentialOf({
        authorization: `AWS4-HMAC-SHA256 Credential=${key}/${day}/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=${signature}`,
      })
    expect(aws('aaa', '20260101')).toBe(aws('bbb', '20260102'))
    expect(aws('aaa', '20260101')).not.toBe(aws('aaa', '20260101', 'AKIA2'))
    const oauth = (nonce: string, token = 't') =>
      credentialOf({
        authorization: `OAuth oauth_consumer_key="c", oauth_nonce="${nonce}", oauth_signature="${nonce}x", oauth_token="${token}"`,
      })
    expect(oauth('1')).toBe(oauth('2'))
    expect(oauth('1')).not.toBe(oauth('1', 'u'))
    expect(credentialOf({ authorization: 'HMAC key-1:aaa' })).toBe(
      credentialOf({ authorization: 'HMAC key-1:bbb' }),
    )
  })

  it.each(['OAuth', 'HMAC', 'Signature'])(
    'is told apart where the scheme %s carries a token and no parameters',
    (scheme) => {
      const of = (token: string): unknown => credentialOf({ authorization: `${scheme} ${token}` })
      expect(of('aaa')).toBe(of('aaa'))
      expect(of('aaa')).not.toBe(of('bbb'))
      expect(of('key-1:aaa')).not.toBe(of('key-2:aaa'))
    },
  )
})

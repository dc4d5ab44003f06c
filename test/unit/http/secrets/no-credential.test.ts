import { describe, expect, it } from 'vitest'
import { isNoCredential } from '../../../../src/http/secrets/no-credential.ts'

const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`

describe('a header without a credential', () => {
  it.each([
    '',
    ' ',
    'undefined',
    'null',
    '"undefined"',
    'Bearer',
    'Bearer ',
    'bearer',
    'Basic ',
    'Token ',
    'Bearer undefined',
    'Bearer [object Promise]',
    '[object Promise]',
    'token=[object Object]',
    'Bearer null',
    'bearer  undefined',
    'Bearer ""',
    'Bearer "null"',
    'GenieKey undefined',
    'Token token=undefined',
    'Token token="null"',
    'session=undefined',
    'session=undefined; csrf=null',
    basic('undefined:undefined'),
    basic('undefined:'),
    basic(':undefined'),
    basic('ada:undefined'),
    basic('null:x'),
    basic(':'),
  ])('is %j', (value) => {
    expect(isNoCredential(value)).toBe(true)
  })

  it.each([
    'Bearer abc',
    'Bearer undefinedabc',
    'Bearer nullable',
    'abc',
    'abc undefined0',
    'dTpwc2E=',
    'Token token=abc',
    'theme=dark; session=undefined',
    'session=abc',
    'Basic !',
    basic('ada:secret'),
    basic('sk_live:'),
    basic(':secret'),
    basic('undefined'),
    'AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=c',
  ])('is not %j', (value) => {
    expect(isNoCredential(value)).toBe(false)
  })
})

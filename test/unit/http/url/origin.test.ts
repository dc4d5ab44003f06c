import { expect, it } from 'vitest'
import { httpOrigin } from '../../../../src/http/url/origin.ts'

it.each([
  ['https://api.example.com', 'https://api.example.com'],
  ['https://API.example.com:443/v1?x=1', 'https://api.example.com'],
  ['http://127.0.0.1:8080/', 'http://127.0.0.1:8080'],
  ['ftp://api.example.com', undefined],
  ['file:///etc/passwd', undefined],
  ['api.example.com', undefined],
  ['', undefined],
])('httpOrigin(%j) is %j', (text, origin) => {
  expect(httpOrigin(text)).toBe(origin)
})

import { describe, expect, it } from 'vitest'
import { originMeantBy, originsMeantBy, scopeOf, spelledKey } from '../../../../src/http/url/scope.ts'

it.each([
  ['https://api.example.com', 'https://api.example.com'],
  ['https://api.example.com#1f2e3d4c5b6a', 'https://api.example.com'],
  ['payments#a#b', 'payments'],
  ['payments', 'payments'],
])('scopeOf(%j) is %j', (key, scope) => {
  expect(scopeOf(key)).toBe(scope)
})

describe('a key is spelled as calls spell it', () => {
  it.each([
    ['HTTPS://API.example.com:443/', 'https://api.example.com'],
    ['http://127.0.0.1:80', 'http://127.0.0.1'],
    ['http://127.0.0.1:4999/', 'http://127.0.0.1:4999'],
    ['https://api.example.com/#1F2e', 'https://api.example.com#1F2e'],
  ])('%j is %j', (key, spelled) => {
    expect(spelledKey(key)).toBe(spelled)
  })

  it.each([
    ['Payments/'],
    ['https://api.example.com/V1/'],
    ['https://user@API.example.com'],
    ['api.example.com/'],
  ])('%j stays as it is', (key) => {
    expect(spelledKey(key)).toBe(key)
  })
})

it.each([
  ['https://api.example.com/v1', ['https://api.example.com']],
  ['https://api.example.com?x', ['https://api.example.com']],
  ['https://api.example.com', []],
  ['https://api.example.com/', []],
  ['https://api.example.com#a/b', []],
  ['api.example.com', ['https://api.example.com', 'http://api.example.com']],
  ['localhost:8080/v1', ['https://localhost:8080', 'http://localhost:8080']],
  ['payments v1', []],
  ['payments#1f2e', []],
  ['ftp://api.example.com', []],
  ['', []],
])('by %j, where it is no origin, %j may be meant', (key, origins) => {
  expect(originsMeantBy(key)).toEqual(origins)
})

it.each([
  ['https://api.example.com/v1', 'https://api.example.com'],
  ['https://API.example.com:443/', 'https://api.example.com'],
  ['localhost:8080', 'https://localhost:8080'],
  ['*', undefined],
  ['ftp://a.test', undefined],
])('by %j the origin %j is meant', (text, origin) => {
  expect(originMeantBy(text)).toBe(origin)
})

import { describe, expect, it } from 'vitest'
import { originOfUrlKey, scopeOf, spelledKey } from '../../../../src/http/url/scope.ts'

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
  ['https://api.example.com/v1', 'https://api.example.com'],
  ['https://api.example.com?x', 'https://api.example.com'],
  ['https://api.example.com', undefined],
  ['https://api.example.com/', undefined],
  ['https://api.example.com#a/b', undefined],
  ['payments/v1', undefined],
])('the origin of %j, where it is a url with more to it, is %j', (key, origin) => {
  expect(originOfUrlKey(key)).toBe(origin)
})

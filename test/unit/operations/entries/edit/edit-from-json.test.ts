import { expect, it } from 'vitest'
import { editFromJson } from '../../../../../src/operations/entries/edit/edit-from-json.ts'

it('reads the changes from JSON: null removes a header, an object becomes a JSON body', () => {
  const edit = editFromJson('{"url":"/v2","headers":{"x-new":"1","x-old":null},"body":{"a":1}}')
  expect(edit).toMatchObject({ url: '/v2', setHeaders: [['x-new', '1']], removeHeaders: ['x-old'] })
  expect(String(edit.body)).toBe('{"a":1}')
  expect(editFromJson('{"body":null}')).toEqual({ body: null })
  expect(String(editFromJson('{"body":"text"}').body)).toBe('text')
})

it('refuses what it does not know', () => {
  for (const [json, message] of [
    ['{', /is not JSON/],
    ['[]', /must hold a JSON object/],
    ['{"urll":"/x"}', /has no field "urll"/],
    ['{"headers":{"a":1}}', /headers\.a/],
    ['{"headers":[]}', /must be an object/],
    ['{"url":1}', /`url` must be a string/],
  ] as const) {
    expect(() => editFromJson(json), json).toThrow(message)
  }
})

import { expect, it } from 'vitest'
import { editOf, fileEdit } from '../../../src/cli/edit-options.ts'

it('reads the changes from JSON: null removes a header, an object becomes a JSON body', () => {
  const edit = fileEdit('{"url":"/v2","headers":{"x-new":"1","x-old":null},"body":{"a":1}}')
  expect(edit).toMatchObject({ url: '/v2', setHeaders: [['x-new', '1']], removeHeaders: ['x-old'] })
  expect(String(edit.body)).toBe('{"a":1}')
  expect(fileEdit('{"body":null}')).toEqual({ body: null })
  expect(String(fileEdit('{"body":"text"}').body)).toBe('text')
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
    expect(() => fileEdit(json), json).toThrow(message)
  }
})

it('wants one change at least, and one body at most', async () => {
  await expect(editOf({})).rejects.toThrow(/what is to change/)
  await expect(editOf({ body: 'a', bodyFile: 'b' })).rejects.toThrow(/give one of/)
  await expect(editOf({ header: ['nocolon'] })).rejects.toThrow(/<name>: <value>/)
  expect(await editOf({ header: ['x-a: b: c'] })).toEqual({ setHeaders: [['x-a', 'b: c']] })
})

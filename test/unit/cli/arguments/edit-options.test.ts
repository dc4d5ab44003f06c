import { expect, it } from 'vitest'
import { editOf } from '../../../../src/cli/arguments/edit-options.ts'

it('wants one change at least, and one body at most', async () => {
  await expect(editOf({})).rejects.toThrow(/what is to change/)
  await expect(editOf({ body: 'a', bodyFile: 'b' })).rejects.toThrow(/give one of/)
  await expect(editOf({ header: ['nocolon'] })).rejects.toThrow(/<name>: <value>/)
  expect(await editOf({ header: ['x-a: b: c'] })).toEqual({ setHeaders: [['x-a', 'b: c']] })
})

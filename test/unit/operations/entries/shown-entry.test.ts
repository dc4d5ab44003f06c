import { expect, it } from 'vitest'
import { entryLines } from '../../../../src/cli/terminal/entry-lines.ts'
import { entryToJson } from '../../../../src/dead-letter/message/entry-json.ts'
import { initialState } from '../../../../src/dead-letter/store/lifecycle.ts'
import { shownEntry } from '../../../../src/operations/entries/shown-entry.ts'
import { makeRecord } from '../../../../src/testing/contracts/records.ts'

it('shows no credential, wherever another writer has left one', () => {
  const record = makeRecord({
    request: {
      url: 'https://me:hunter2@api.example.com/x?api_key=hunter2#hunter2',
      headers: { authorization: 'hunter2', Cookie: 'hunter2', 'x-api-key': ['hunter2'], accept: 'a' },
      body: Buffer.from('{"password":"hunter2","order":7}'),
    },
    response: {
      statusCode: 500,
      headers: { 'set-cookie': 'hunter2' },
      body: '{"access_token":"hunter2"}',
    },
    error: {
      name: 'E',
      message: 'at https://me:hunter2@h/',
      cause: { name: 'C', message: 'https://h/?token=hunter2' },
    },
    sealed: { keyId: 'k1', data: Buffer.from('hunter2') },
  })
  const shown = shownEntry({ ...record, ...initialState(record) })
  const everything = JSON.stringify(entryToJson(shown)) + entryLines(shown, Date.now()).join('\n')
  expect(everything).not.toContain('hunter2')
  expect(everything).not.toContain(Buffer.from('hunter2').toString('base64'))
  expect(everything).toContain('"order":7')
})

it('puts a bar before the lines of a body, so that none can pose as ours', () => {
  const record = makeRecord({ request: { body: Buffer.from('a\nid  forged\r\nb') } })
  const lines = entryLines({ ...record, ...initialState(record) }, Date.now())
  expect(lines.filter((line) => line.includes('forged'))).toEqual(['  | id  forged'])
})

it('shows a large body in part', () => {
  const record = makeRecord({ request: { body: Buffer.alloc(900_000, 'x\n') } })
  const lines = entryLines({ ...record, ...initialState(record) }, Date.now())
  expect(lines.length).toBeLessThan(100)
  expect(lines).toContain('  | ...')
})

it('does not look for secrets in a body that was made to take long', () => {
  const record = makeRecord({ request: { body: Buffer.from(`${'['.repeat(5_000_000)}token`) } })
  let lines: string[] = []
  const times = Array.from({ length: 3 }, () => {
    const start = performance.now()
    lines = entryLines(shownEntry({ ...record, ...initialState(record) }), Date.now())
    return performance.now() - start
  })
  // the best of three: the machine has other work too
  expect(Math.min(...times)).toBeLessThan(200)
  expect(lines).toContainEqual(
    expect.stringMatching(/^ {2}\(body: .*, too large to be shown: see --save-body\)$/),
  )
})

import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { checkSqliteFile } from '../../../../src/operations/stores/sqlite-file.ts'

describe('a SQLite file of the command line', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'sqlite-file-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  it('that is not there is made only where the command may', () => {
    const path = join(folder, 'none.db')
    expect(() => checkSqliteFile(path, false)).toThrow(`there is no file ${path}`)
    expect(() => checkSqliteFile(path, true)).not.toThrow()
  })

  it('that is empty is none, and becomes none by a look', () => {
    const path = join(folder, 'empty.db')
    writeFileSync(path, '')
    expect(() => checkSqliteFile(path, false)).toThrow(`${path} is empty: no SQLite file`)
    expect(statSync(path).size).toBe(0)
    expect(() => checkSqliteFile(path, true)).not.toThrow()
  })
})

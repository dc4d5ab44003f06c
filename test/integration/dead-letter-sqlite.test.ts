import { spawn } from 'node:child_process'
import { chmod, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { sqliteStore } from '../../src/stores/sqlite/sqlite-store.ts'
import { makeRecord } from '../contracts/dead-letter-records.ts'

let folder: string
let path: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sqlite-'))
  path = join(folder, 'letters.db')
})
afterEach(async () => {
  await rm(folder, { recursive: true })
})

/** Runs code in a process of its own; resolves to what it printed, or how it ended. */
function run(
  code: string,
  kill?: (output: string) => boolean,
): Promise<{ output: string; code: number | null }> {
  const modules = new URL('../../', import.meta.url).pathname
  const script = `
    import { sqliteStore } from '${modules}src/sqlite.ts'
    import { makeRecord } from '${modules}test/contracts/dead-letter-records.ts'
    ${code}`
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], { cwd: modules })
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString()
      if (kill?.(output) === true) child.kill('SIGKILL')
    })
    // Node 22 says there that SQLite is experimental
    child.stderr.resume()
    child.once('close', (code) => resolve({ output, code }))
  })
}

describe('the SQLite store', () => {
  it('is shared by processes that open it, add and claim at the same time', async () => {
    const worker = (n: number): string => `
      const store = sqliteStore(${JSON.stringify(path)})
      for (let i = 0; i < 20; i++) {
        await store.deadLetters.add(Array.from({ length: 5 }, () => makeRecord({ name: 'p${n}' })))
        const { items } = await store.deadLetters.claim({ limit: 3, leaseMs: 60000 })
        for (const item of items) process.stdout.write(item.id + '\\n')
      }
      await store.close()`
    const ends = await Promise.all([1, 2, 3, 4].map((n) => run(worker(n))))
    expect(ends.map((end) => end.code)).toEqual([0, 0, 0, 0])
    const claimed = ends.flatMap((end) => end.output.trim().split('\n'))
    expect(claimed).toHaveLength(240)
    expect(new Set(claimed).size).toBe(240)
    const store = sqliteStore(path)
    expect(await store.deadLetters.stats()).toMatchObject({ total: 400, counters: { captured: 400 } })
    await store.close()
  })

  it('keeps what it acknowledged when its process is killed in the middle of adding', async () => {
    const end = await run(
      `const store = sqliteStore(${JSON.stringify(path)})
      for (;;) {
        const record = makeRecord()
        await store.deadLetters.add([record, makeRecord(), makeRecord()])
        process.stdout.write(record.id + '\\n')
      }`,
      (output) => output.split('\n').length > 40,
    )
    const acknowledged = end.output.split('\n').slice(0, -1)
    const store = sqliteStore(path)
    for (const id of acknowledged) expect(await store.deadLetters.get(id)).toBeDefined()
    const { total, bytes } = await store.deadLetters.stats()
    expect(total % 3).toBe(0)
    expect(total).toBeGreaterThanOrEqual(acknowledged.length * 3)
    expect(bytes).toBeGreaterThan(0)
    await store.close()
  })

  it('leaves the event loop free while another process writes', async () => {
    const store = sqliteStore(path)
    const other = new DatabaseSync(path)
    other.exec('BEGIN IMMEDIATE')
    let longest = 0
    let last = performance.now()
    const timer = setInterval(() => {
      longest = Math.max(longest, performance.now() - last)
      last = performance.now()
    }, 1)
    const added = store.deadLetters.add([makeRecord()])
    await new Promise((resolve) => setTimeout(resolve, 1000))
    other.exec('COMMIT')
    expect((await added).kept).toHaveLength(1)
    clearInterval(timer)
    expect(longest).toBeLessThan(500)
    other.close()
    await store.close()
  })

  it('rejects when the lock does not come free in time', async () => {
    const store = sqliteStore(path, { busyTimeoutMs: 30 })
    const other = new DatabaseSync(path)
    other.exec('BEGIN IMMEDIATE')
    await expect(store.deadLetters.add([makeRecord()])).rejects.toThrow('locked')
    other.exec('ROLLBACK')
    other.close()
    await store.close()
  })

  it('says what is wrong with a file that is none of its own', async () => {
    await writeFile(path, 'this is not a database, and long enough to be looked at as one. '.repeat(100))
    expect(() => sqliteStore(path)).toThrow(
      `cannot open the SQLite store ${JSON.stringify(path)}: file is not a database`,
    )
    expect(() => sqliteStore(join(folder, 'no', 'folder.db'))).toThrow('unable to open database file')
    const newer = join(folder, 'newer.db')
    const db = new DatabaseSync(newer)
    db.exec('PRAGMA user_version = 99')
    db.close()
    expect(() => sqliteStore(newer)).toThrow('its schema has version 99, this package knows 1')
  })

  it.skipIf(process.platform === 'win32')(
    'makes its file for its owner only, with what lies beside it, and leaves the mode of an existing one alone',
    async () => {
      const modes = async (file: string): Promise<string[]> =>
        Promise.all(
          ['', '-wal', '-shm'].map(async (end) => ((await stat(file + end)).mode & 0o777).toString(8)),
        )
      const store = sqliteStore(path)
      await store.deadLetters.add([makeRecord()])
      expect(await modes(path)).toEqual(['600', '600', '600'])
      const uri = join(folder, 'by uri.db')
      const named = sqliteStore(`file:${folder}/by%20uri.db?cache=private`)
      await named.deadLetters.add([makeRecord()])
      expect(await modes(uri)).toEqual(['600', '600', '600'])
      await Promise.all([store.close(), named.close()])
      await chmod(path, 0o640)
      const again = sqliteStore(path)
      await again.deadLetters.add([makeRecord()])
      expect(await modes(path)).toEqual(['640', '640', '640'])
      await again.close()
    },
  )

  it('keeps circuits in this process', async () => {
    const store = sqliteStore(':memory:')
    await store.circuits.isolate('https://a.test')
    expect(store.circuits.state('https://a.test').state).toBe('open')
    await store.close()
  })

  it.each([
    ['', {}, '`path` must be a non-empty string, got ""'],
    [':memory:', { maxRecords: 0 }, '`maxRecords` must be an integer >= 1, got 0'],
    [':memory:', { maxBytes: 1 }, '`maxBytes` must be an integer >= 1024, got 1'],
    [':memory:', { maxAgeMs: '1' }, '`maxAgeMs` must be a number >= 1, got "1"'],
    [':memory:', { busyTimeoutMs: -1 }, '`busyTimeoutMs` must be an integer >= 0'],
    [':memory:', { wal: true }, '`sqliteStore` has no option `wal`'],
  ])('refuses %j with %j', (given, options, message) => {
    expect(() => sqliteStore(given, options as never)).toThrow(message)
  })
})

import { spawn } from 'node:child_process'
import { readdirSync, readlinkSync, rmSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { sqliteStore } from '../../../src/stores/sqlite/sqlite-store.ts'
import { makeRecord } from '../../../src/testing/contracts/records.ts'

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
  const modules = new URL('../../../', import.meta.url).pathname
  const script = `
    import { sqliteStore } from '${modules}src/entries/sqlite.ts'
    import { makeRecord } from '${modules}src/testing/contracts/records.ts'
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

/** The files in `folder` that this process, with all its threads, has open. */
function openIn(folder: string): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const file = readlinkSync(`/proc/self/fd/${fd}`)
      return file.startsWith(folder) ? [file] : []
    } catch {
      // the descriptor of the listing itself
      return []
    }
  })
}

describe('the SQLite store', () => {
  it.runIf(process.platform === 'linux')(
    'holds no file once it is closed, also amid a checkpoint',
    async () => {
      const large = makeRecord({})
      const body = Buffer.alloc(9 * 1024 * 1024, 'x')
      for (let round = 0; round < 3; round++) {
        const store = sqliteStore(path)
        // more than the log may hold: it is written into the file as soon as this is acknowledged
        for (let n = 0; n < 2; n++) {
          await store.deadLetters.add([makeRecord({ request: { ...large.request, body } })])
        }
        expect(openIn(folder)).not.toEqual([])
        await store.close()
        expect(openIn(folder), `round ${round}`).toEqual([])
      }
    },
  )

  it('stays where it was opened when the process goes to another folder', async () => {
    const before = process.cwd()
    try {
      process.chdir(folder)
      const store = sqliteStore('relative.db')
      await store.deadLetters.add([makeRecord({})])
      process.chdir(tmpdir())
      await store.deadLetters.add([makeRecord({})])
      expect((await store.deadLetters.stats()).total).toBe(2)
      rmSync(join(folder, 'relative.db'))
      await store.deadLetters.add([makeRecord({})])
      expect(readdirSync(folder)).toContain('relative.db')
      await store.close()
    } finally {
      process.chdir(before)
    }
  })

  it('is shared by processes that open it, add and claim at the same time', async () => {
    const worker = (n: number): string => `
      const store = sqliteStore(${JSON.stringify(path)})
      for (let i = 0; i < 20; i++) {
        await store.deadLetters.add(Array.from({ length: 5 }, () => makeRecord({ integration: 'p${n}' })))
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
    let turns = 0
    const timer = setInterval(() => turns++, 1)
    const added = store.deadLetters.add([makeRecord()])
    await new Promise((resolve) => setTimeout(resolve, 1000))
    other.exec('COMMIT')
    expect((await added).kept).toHaveLength(1)
    clearInterval(timer)
    // one that is blocked by the lock, for all of its second or by parts of 50 ms, makes 20 at most
    expect(turns).toBeGreaterThan(30)
    other.close()
    await store.close()
  })

  describe.skipIf(process.platform === 'win32')('whose file goes away under it', () => {
    const warnings: string[] = []
    const hear = (warning: Error): void => void warnings.push(warning.message)
    beforeEach(() => {
      warnings.length = 0
      process.on('warning', hear)
    })
    afterEach(() => process.off('warning', hear))

    // at once, or it would remove what was made anew, too
    const remove = (): void => {
      for (const end of ['-wal', '-shm', '']) rmSync(path + end, { force: true })
    }

    /** What a process finds that opens the file afterwards. */
    async function found(): Promise<string[]> {
      const store = sqliteStore(path)
      const { items } = await store.deadLetters.list()
      await store.close()
      return items.map(({ id }) => id).sort()
    }

    it('makes it anew with a warning, and loses nothing that it acknowledges afterwards', async () => {
      const store = sqliteStore(path)
      await store.deadLetters.add([makeRecord()])
      remove()
      const records = Array.from({ length: 20 }, () => makeRecord())
      for (const record of records) {
        expect((await store.deadLetters.add([record])).kept).toEqual([record.id])
      }
      expect((await store.deadLetters.stats()).total).toBe(20)
      await store.close()
      expect(await found()).toEqual(records.map(({ id }) => id).sort())
      expect((await stat(path)).mode & 0o777).toBe(0o600)
      expect(warnings.filter((message) => message.includes('was deleted or replaced'))).toHaveLength(1)
    })

    it('goes on in the one that another process has put in its place', async () => {
      const store = sqliteStore(path)
      await store.deadLetters.add([makeRecord()])
      remove()
      const other = sqliteStore(path)
      const [theirs, ours] = [makeRecord(), makeRecord()]
      await other.deadLetters.add([theirs])
      await store.deadLetters.add([ours])
      expect((await store.deadLetters.list()).items).toHaveLength(2)
      await Promise.all([store.close(), other.close()])
      expect(await found()).toEqual([theirs.id, ours.id].sort())
    })

    it('writes once more what went into a file that was gone before it was acknowledged', async () => {
      const store = sqliteStore(path)
      for (let round = 0; round < 10; round++) {
        const records = Array.from({ length: 5 }, () => makeRecord())
        const adding = records.map((record) => store.deadLetters.add([record]))
        // the commits are done, and wait for the disk
        await new Promise((resolve) => setImmediate(resolve))
        remove()
        for (const { kept } of await Promise.all(adding)) expect(kept).toHaveLength(1)
        const after = makeRecord()
        await store.deadLetters.add([after])
        const { items } = await store.deadLetters.list()
        expect(items.map(({ id }) => id)).toContain(after.id)
      }
      await store.close()
    })

    it('rejects while it cannot be made anew, and goes on when it can', async () => {
      const store = sqliteStore(path)
      await store.deadLetters.add([makeRecord()])
      await rm(folder, { recursive: true })
      await expect(store.deadLetters.add([makeRecord()])).rejects.toThrow('cannot open the SQLite store')
      await mkdir(folder)
      const record = makeRecord()
      await store.deadLetters.add([record])
      await store.close()
      expect(await found()).toEqual([record.id])
    })
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

  it('waits for the lock as long, though the wall clock steps back a day', { timeout: 30_000 }, async () => {
    const store = sqliteStore(path, { busyTimeoutMs: 100 })
    const holder = new DatabaseSync(path)
    holder.exec('BEGIN IMMEDIATE')
    vi.useFakeTimers({ toFake: ['Date'] })
    const added = store.deadLetters.add([makeRecord()])
    vi.setSystemTime(Date.now() - 24 * 3_600_000)
    await expect(added).rejects.toThrow('locked')
    vi.useRealTimers()
    holder.close()
    await store.close()
  })

  it('says what is wrong with a file that is none of its own', async () => {
    await writeFile(path, 'this is not a database, and long enough to be looked at as one. '.repeat(100))
    expect(() => sqliteStore(path)).toThrow(
      `cannot open the SQLite store ${JSON.stringify(path)}: file is not a database`,
    )
    expect(() => sqliteStore(join(folder, 'no', 'folder.db'))).toThrow(
      /^cannot open the SQLite store .*: ENOENT: no such file or directory/,
    )
    expect(() => sqliteStore(folder)).toThrow(/^cannot open the SQLite store .*: EISDIR: illegal operation/)
    const newer = join(folder, 'newer.db')
    const db = new DatabaseSync(newer)
    db.exec('PRAGMA user_version = 99')
    db.close()
    expect(() => sqliteStore(newer)).toThrow('its schema has version 99, this package knows 4')
  })

  const backTo3 = 'DROP INDEX dead_letters_evictable; PRAGMA user_version = 3;'
  const backTo2 = `ALTER TABLE dead_letters RENAME COLUMN replayable TO sendable; DROP INDEX dead_letters_by_due;
    CREATE INDEX dead_letters_by_due ON dead_letters (status, due_at, id); PRAGMA user_version = 2;`
  it.each([
    ['3', backTo3],
    ['2', backTo3 + backTo2],
  ])('brings the tables of version %s up to date, and loses nothing', async (_version, back) => {
    const store = sqliteStore(path)
    const record = makeRecord()
    await store.deadLetters.add([record])
    await store.close()
    const schemaOf = (db: DatabaseSync): unknown[] =>
      db.prepare("SELECT name FROM sqlite_schema WHERE name LIKE 'dead_letters%' ORDER BY name").all()
    const db = new DatabaseSync(path)
    const made = schemaOf(db)
    db.exec(back)
    expect(schemaOf(db)).not.toEqual(made)
    db.close()
    const again = sqliteStore(path)
    const { items } = await again.deadLetters.claim({ limit: 10, leaseMs: 1000 })
    expect(items.map(({ id }) => id)).toEqual([record.id])
    await again.close()
    const migrated = new DatabaseSync(path)
    expect(schemaOf(migrated)).toEqual(made)
    migrated.close()
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

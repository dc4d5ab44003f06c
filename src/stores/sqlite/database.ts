import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { makePrivateFile } from './private-file.ts'
import { migrate } from './schema.ts'

/** How long one statement may block the event loop while another process writes, in milliseconds. */
const BLOCK_MS = 10
/** How long opening may block: it happens once, before anything is served. */
const OPEN_MS = 5000
const SQLITE_BUSY = 5

function isBusy(error: unknown): boolean {
  const errcode = (error as { errcode?: unknown } | null)?.errcode
  return typeof errcode === 'number' && (errcode & 0xff) === SQLITE_BUSY
}

/**
 * One connection to the file. `node:sqlite` is synchronous: a wait for another process's lock would stop the whole
 * process, so a lock is waited for in short steps with the event loop free between them.
 */
export class SqliteDatabase {
  readonly db: DatabaseSync
  readonly #busyTimeoutMs: number

  constructor(path: string, busyTimeoutMs: number) {
    this.#busyTimeoutMs = busyTimeoutMs
    try {
      makePrivateFile(path)
      this.db = new DatabaseSync(path, { timeout: OPEN_MS })
      // WAL: readers and one writer at a time, over several processes. FULL: a commit is on disk when it returns.
      retryWhileBusy(() => this.db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL'))
      retryWhileBusy(() => migrate(this.db))
      this.db.exec(`PRAGMA busy_timeout = ${BLOCK_MS}`)
    } catch (error) {
      throw new Error(`cannot open the SQLite store ${JSON.stringify(path)}: ${(error as Error).message}`, {
        cause: error,
      })
    }
  }

  /** Runs `work` in one transaction that holds the write lock from its start; what it throws undoes all of it. */
  async write<T>(work: () => T): Promise<T> {
    const deadline = Date.now() + this.#busyTimeoutMs
    for (;;) {
      try {
        this.db.exec('BEGIN IMMEDIATE')
        break
      } catch (error) {
        if (!isBusy(error) || Date.now() > deadline) throw error
      }
      await sleep(1 + Math.random() * BLOCK_MS)
    }
    try {
      const result = work()
      this.db.exec('COMMIT')
      return result
    } catch (error) {
      if (this.db.isTransaction) this.db.exec('ROLLBACK')
      throw error
    }
  }

  close(): void {
    if (this.db.isOpen) this.db.close()
  }
}

/** Changing the journal mode answers "busy" at once, whatever the timeout, while another process does the same. */
function retryWhileBusy(work: () => void): void {
  const deadline = Date.now() + OPEN_MS
  for (;;) {
    try {
      work()
      return
    } catch (error) {
      if (!isBusy(error) || Date.now() > deadline) throw error
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
  }
}

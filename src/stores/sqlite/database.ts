import type { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { DiskThread } from './disk-thread.ts'
import { sqliteModule } from './module.ts'
import {
  type FileIdentity,
  fileOf,
  identityOf,
  isSameFile,
  lastingPath,
  makePrivateFile,
  whyNoFile,
} from './private-file.ts'
import { migrate } from './schema.ts'

/** The longest pause before another process's lock is tried again, in milliseconds. */
const PAUSE_MS = 10
/** How long opening may block: it happens once, before anything is served. */
const OPEN_MS = 5000
const SQLITE_BUSY = 5
/** How often a write is done anew because its file was deleted meanwhile. */
const MAX_FILES = 5

function isBusy(error: unknown): boolean {
  const errcode = (error as { errcode?: unknown } | null)?.errcode
  return typeof errcode === 'number' && (errcode & 0xff) === SQLITE_BUSY
}

/** An open file, what it was when it was opened, and the thread that waits for its disk. */
interface OpenFile {
  readonly db: DatabaseSync
  /** `undefined` where there is no file, or none that can be told: `:memory:`. */
  readonly watched:
    { readonly path: string; readonly identity: FileIdentity; readonly disk: DiskThread } | undefined
}

/**
 * One connection to the file. `node:sqlite` is synchronous, so nothing is waited for in it: neither another process's
 * lock, which is tried again with the event loop free in between, nor the disk, for which a thread waits. A file that was
 * deleted or replaced meanwhile is noticed before anything is acknowledged, and made anew.
 */
export class SqliteDatabase {
  readonly #path: string
  readonly #busyTimeoutMs: number
  #file: OpenFile
  /** Of files that were made anew. */
  #released: Promise<unknown> = Promise.resolve()
  #closed = false

  constructor(path: string, busyTimeoutMs: number) {
    this.#path = lastingPath(path)
    this.#busyTimeoutMs = busyTimeoutMs
    this.#file = opened(this.#path)
  }

  /** The connection: another one after the file was made anew. */
  get db(): DatabaseSync {
    return this.#file.db
  }

  /** Runs what changes nothing, again when another process was in the way. */
  async read<T>(work: () => T): Promise<T> {
    return this.#unlessBusy(work)
  }

  /**
   * Runs `work` in one transaction that holds the write lock from its start; what it throws undoes all of it. Resolves when
   * it is on disk. It is run again in the file that was made anew, if the one that it went into is no longer there.
   * @param committed called when it is done but for the disk: others may come meanwhile, and be on disk at the same time
   */
  async write<T>(work: () => T, committed?: () => void): Promise<T> {
    for (let files = 0; files < MAX_FILES; files++) {
      const result = await this.#unlessBusy(() => transaction(this.#file.db, work))
      const { watched } = this.#file
      committed?.()
      if (watched === undefined) return result
      const isSameLog = await watched.disk.sync()
      if (isSameLog && isSameFile(watched.path, watched.identity)) return result
      if (this.#file.watched === watched) this.#openAnew()
    }
    throw new Error(`the file of the SQLite store ${JSON.stringify(this.#path)} does not stay where it is`)
  }

  async #unlessBusy<T>(work: () => T): Promise<T> {
    const deadline = performance.now() + this.#busyTimeoutMs
    for (;;) {
      try {
        const { watched } = this.#file
        if (watched !== undefined && !isSameFile(watched.path, watched.identity)) this.#openAnew()
        return work()
      } catch (error) {
        if (!isBusy(error) || performance.now() > deadline) throw error
      }
      await sleep(1 + Math.random() * PAUSE_MS)
    }
  }

  #openAnew(): void {
    if (this.#closed) return
    const before = this.#file
    // first: where it cannot be opened, the next call tries again
    this.#file = opened(this.#path)
    this.#released = Promise.all([this.#released, release(before)])
    process.emitWarning(
      `the SQLite store ${JSON.stringify(this.#path)} was deleted or replaced while it was open: what was in it is gone, and it was made anew`,
      'ResilienceWarning',
    )
  }

  /** Resolves when nothing holds the file any more. */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([this.#released, release(this.#file)])
  }
}

/** Closes the connection at once. Resolves when the thread has closed its own. */
function release({ db, watched }: OpenFile): Promise<void> | undefined {
  const ended = watched?.disk.close()
  if (db.isOpen) db.close()
  return ended
}

function opened(path: string): OpenFile {
  try {
    makePrivateFile(path)
    const db = new (sqliteModule().DatabaseSync)(path, { timeout: OPEN_MS })
    try {
      // WAL: readers and one writer at a time, over several processes
      retryWhileBusy(() => db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL'))
      retryWhileBusy(() => migrate(db))
      db.exec('PRAGMA busy_timeout = 0')
      const file = fileOf(path)
      const identity = file === undefined ? undefined : identityOf(file)
      if (file === undefined || identity === undefined) return { db, watched: undefined }
      // The thread does what FULL does with each commit, and the checkpoints; NORMAL leaves a commit to it.
      db.exec('PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0')
      return { db, watched: { path: file, identity, disk: new DiskThread(file) } }
    } catch (error) {
      db.close()
      throw error
    }
  } catch (error) {
    // SQLite says that it is unable to open the file, and not that there is no such folder
    const why = whyNoFile(path) ?? (error as Error).message
    throw new Error(`cannot open the SQLite store ${JSON.stringify(path)}: ${why}`, { cause: error })
  }
}

function transaction<T>(db: DatabaseSync, work: () => T): T {
  db.exec('BEGIN IMMEDIATE')
  try {
    const result = work()
    db.exec('COMMIT')
    return result
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK')
    throw error
  }
}

/** Changing the journal mode answers "busy" at once, whatever the timeout, while another process does the same. */
function retryWhileBusy(work: () => void): void {
  const deadline = performance.now() + OPEN_MS
  for (;;) {
    try {
      work()
      return
    } catch (error) {
      if (!isBusy(error) || performance.now() > deadline) throw error
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
  }
}

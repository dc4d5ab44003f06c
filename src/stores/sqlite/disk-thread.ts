import { Worker } from 'node:worker_threads'

/** The log is written into the file when it is longer than this, in bytes. */
const MAX_LOG_BYTES = 16 * 1024 * 1024

/**
 * What runs in the thread, as text: a file of its own would be lost when the application is bundled. It waits for the
 * disk, and no more than that: one `fdatasync` of the write-ahead log for all that was committed before, as SQLite itself
 * does with `synchronous = FULL`, and now and then the checkpoint.
 */
const PROGRAM = `
const { parentPort, workerData: { path, maxLogBytes } } = require('node:worker_threads')
const fs = require('node:fs')
let log
let db
function sync() {
  const found = fs.statSync(path + '-wal', { bigint: true, throwIfNoEntry: false })
  if (found === undefined || (log !== undefined && log.inode !== found.ino)) return false
  log ??= { inode: found.ino, fd: fs.openSync(path + '-wal', 'r+') }
  fs.fdatasyncSync(log.fd)
  return true
}
function checkpoint() {
  if (log === undefined || fs.fstatSync(log.fd).size < maxLogBytes) return
  if (db === undefined) {
    const { DatabaseSync } = require('node:sqlite')
    db = new DatabaseSync(path)
    db.exec('PRAGMA synchronous = FULL; PRAGMA busy_timeout = 0')
  }
  db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
}
parentPort.on('message', (id) => {
  try {
    parentPort.postMessage({ id, isSame: sync() })
  } catch (error) {
    parentPort.postMessage({ id, error: { message: error.message, code: error.code } })
  }
  try {
    checkpoint()
  } catch {
    // in the way of another process: after the next sync again
  }
})
`

interface Reply {
  readonly id: number
  readonly isSame?: boolean
  readonly error?: { readonly message: string; readonly code: unknown }
}

/**
 * Waits for the disk in a thread of its own: in that of the application every wait would stop all its calls, and those of
 * Node itself are all busy while names cannot be resolved. Started with the first write.
 */
export class DiskThread {
  readonly #path: string
  #worker: Worker | undefined
  #last = 0
  #closed = false
  readonly #waiting = new Map<number, PromiseWithResolvers<boolean>>()
  /** The sync that has not been sent yet: it is for all that is committed until then. */
  #next: Promise<boolean> | undefined
  #running: Promise<boolean> | undefined

  constructor(path: string) {
    this.#path = path
  }

  /**
   * Resolves when all that is committed now is on disk, to whether it is in the log that stands beside the file.
   * @throws what the disk answers
   */
  sync(): Promise<boolean> {
    if (this.#running === undefined) return this.#send()
    return (this.#next ??= this.#running
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined
        return this.#send()
      }))
  }

  #send(): Promise<boolean> {
    if (this.#closed) return Promise.resolve(false)
    const worker = (this.#worker ??= this.#start())
    const id = ++this.#last
    const answer = Promise.withResolvers<boolean>()
    this.#waiting.set(id, answer)
    // what was committed and not acknowledged keeps the process alive
    worker.ref()
    worker.postMessage(id)
    const running = answer.promise.finally(() => {
      if (this.#running === running) this.#running = undefined
    })
    this.#running = running
    return running
  }

  #start(): Worker {
    const worker = new Worker(PROGRAM, {
      eval: true,
      name: 'undici-resilience: SQLite',
      workerData: { path: this.#path, maxLogBytes: MAX_LOG_BYTES },
      execArgv: ['--disable-warning=ExperimentalWarning'],
      env: {},
    })
    worker.unref()
    worker.on('message', ({ id, isSame = false, error }: Reply) => {
      const answer = this.#waiting.get(id)
      this.#waiting.delete(id)
      if (this.#waiting.size === 0) worker.unref()
      if (error === undefined) answer?.resolve(isSame)
      else answer?.reject(Object.assign(new Error(error.message), { code: error.code }))
    })
    worker.on('error', (error) => this.#ended(worker, error))
    worker.on('exit', () => this.#ended(worker, new Error('the thread of the SQLite store has ended')))
    return worker
  }

  #ended(worker: Worker, error: unknown): void {
    if (this.#worker !== worker) return
    this.#worker = undefined
    for (const answer of this.#waiting.values()) answer.reject(error)
    this.#waiting.clear()
  }

  /**
   * Of what is waited for nobody knows whether it is on disk: it is not in the log that will be used from now on. Resolves
   * when the thread has ended, and has closed its files: before that a disk cannot be unmounted, a folder not removed.
   */
  async close(): Promise<void> {
    this.#closed = true
    const worker = this.#worker
    this.#worker = undefined
    for (const answer of this.#waiting.values()) answer.resolve(false)
    this.#waiting.clear()
    await worker?.terminate()
  }
}

import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isStoreFault } from '../../../../src/dead-letter/store/fault.ts'
import { StoreClosedError } from '../../../../src/dead-letter/store/store-closed.ts'
import { TimeLimitError } from '../../../../src/time/time-limit.ts'

const named = (name: string, message = ''): Error => Object.assign(new Error(message), { name })
const coded = (code: string, message = ''): Error => Object.assign(new Error(message), { code })

describe('an error of a store', () => {
  it.each<[string, Error]>([
    ['our own time limit', new TimeLimitError('took longer than 50 ms')],
    ['a store that is closed', new StoreClosedError()],
    ['a refused connection', coded('ECONNREFUSED')],
    ['a full disk', coded('ENOSPC')],
    ['a full Redis', new Error("OOM command not allowed when used memory > 'maxmemory'.")],
    [
      'a full Redis, by way of a script of Valkey and Redis 6',
      new Error('ERR Error running script (call to f_1): @user_script:7: -OOM command not allowed'),
    ],
    ['a snapshot that failed', new Error('MISCONF Redis is configured to save RDB snapshots')],
    ['a replica', new Error("READONLY You can't write against a read only replica.")],
    ['a Redis that starts', new Error('LOADING Redis is loading the dataset in memory')],
    ['a Redis that is busy', new Error('BUSY Redis is busy running a script.')],
    ['a password that is missing', new Error('NOAUTH Authentication required.')],
    ['a right that is missing', new Error("NOPERM this user has no permissions to run the 'eval' command")],
    ['a cluster without a majority', new Error('CLUSTERDOWN The cluster is down')],
    ['a slot that moves', new Error('TRYAGAIN Multiple keys request during rehashing of slot')],
    ['a replica whose master is gone', new Error('MASTERDOWN Link with MASTER is down')],
    ['too few replicas', new Error('NOREPLICAS Not enough good replicas to write.')],
    [
      'a key of the wrong type',
      new Error('WRONGTYPE Operation against a key holding the wrong kind of value'),
    ],
    ['too many clients', new Error('ERR max number of clients reached')],
    ['a connection that is not there', new Error('Connection is closed.')],
    ['a command that was not answered', new Error('Command timed out')],
    ['a queue that is off', new Error("Stream isn't writeable and enableOfflineQueue options is false")],
    ['attempts that were used up', named('MaxRetriesPerRequestError')],
    ['a cluster out of reach', named('ClusterAllFailedError', 'Failed to refresh slots cache.')],
    ['a cause', new Error('Redis cannot be reached', { cause: coded('ECONNRESET') })],
    ['Node of a file that is closed', coded('ERR_INVALID_STATE', 'database is not open')],
  ])('is the store’s fault: %s', (_what, error) => {
    expect(isStoreFault(error)).toBe(true)
  })

  it.each([
    [5, 'BUSY'],
    [6, 'LOCKED'],
    [7, 'NOMEM'],
    [8, 'READONLY'],
    [10, 'IOERR'],
    [10 | (3 << 8), 'IOERR_WRITE'],
    [11, 'CORRUPT'],
    [13, 'FULL'],
    [14, 'CANTOPEN'],
    [26, 'NOTADB'],
  ])('is the file’s fault: SQLite %i (%s)', (errcode) => {
    expect(isStoreFault(Object.assign(coded('ERR_SQLITE_ERROR'), { errcode }))).toBe(true)
  })

  it.each<[string, unknown]>([
    ['a bug', new TypeError('x is not a function')],
    ['a plain error of a script', new Error('ERR user_script:3: attempt to index a nil value')],
    ['a value that is too long for SQLite', Object.assign(coded('ERR_SQLITE_ERROR'), { errcode: 18 })],
    ['a value of the wrong kind', Object.assign(coded('ERR_SQLITE_ERROR'), { errcode: 20 })],
    ['a constraint', Object.assign(coded('ERR_SQLITE_ERROR'), { errcode: 19 | (8 << 8) })],
    ['an argument of the wrong type', coded('ERR_INVALID_ARG_TYPE')],
    ['no error at all', undefined],
    ['a text', 'OOM command not allowed'],
  ])('may be about the record: %s', (_what, error) => {
    expect(isStoreFault(error)).toBe(false)
  })
})

describe('what SQLite really says', () => {
  let db: DatabaseSync
  beforeAll(() => {
    db = new DatabaseSync(':memory:')
    db.exec('PRAGMA max_page_count = 4; CREATE TABLE t (x BLOB)')
  })
  afterAll(() => db.close())

  it('of a full file', () => {
    const fill = (): unknown => {
      for (;;) db.prepare('INSERT INTO t VALUES (?)').run(new Uint8Array(3000))
    }
    expect(fill).toThrow()
    try {
      fill()
    } catch (error) {
      expect(isStoreFault(error)).toBe(true)
    }
  })
})

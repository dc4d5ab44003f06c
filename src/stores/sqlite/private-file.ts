import { closeSync, openSync, statSync } from 'node:fs'
import { resolve } from 'node:path'

/**
 * Makes the file of a new store, readable by its owner alone: request bodies will be in it. SQLite would make it for
 * everybody, and gives `-wal` and `-shm` the mode of the file. One that exists keeps its mode.
 */
export function makePrivateFile(path: string): void {
  const file = fileOf(path)
  if (file === undefined) return
  try {
    closeSync(openSync(file, 'wx', 0o600))
  } catch {
    // It exists, or cannot be made: the latter is for SQLite to say.
  }
}

/** What the operating system has against the file of a store; `undefined` for nothing, where it is another fault. */
export function whyNoFile(path: string): string | undefined {
  const file = fileOf(path)
  if (file === undefined) return undefined
  try {
    closeSync(openSync(file, 'r+'))
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

/**
 * The file that SQLite makes for a path or a `file:` URI, whole: SQLite itself makes it so when it opens it, and the process may
 * go to another folder. `undefined` where it makes none.
 */
export function fileOf(path: string): string | undefined {
  const file = path.startsWith('file:') ? fileOfUri(path) : path
  return file === undefined || file === ':memory:' || file === '' ? undefined : resolve(file)
}

/** A path that means the same file wherever the process goes; a `file:` URI stays as it is given. */
export function lastingPath(path: string): string {
  return path === '' || path === ':memory:' || path.startsWith('file:') ? path : resolve(path)
}

function fileOfUri(uri: string): string | undefined {
  const [, name = '', query = ''] = /^file:(?:\/\/(?:localhost)?(?=\/))?([^?#]*)\??([^#]*)/.exec(uri) ?? []
  const parameters = new URLSearchParams(query)
  if (parameters.has('vfs') || (parameters.get('mode') ?? 'rwc') !== 'rwc') return undefined
  try {
    return decodeURIComponent(name)
  } catch {
    return undefined
  }
}

/** What tells one file from another that stands in its place. */
export interface FileIdentity {
  readonly dev: bigint
  readonly ino: bigint
}

export function identityOf(file: string): FileIdentity | undefined {
  const found = statSync(file, { bigint: true, throwIfNoEntry: false })
  return found && { dev: found.dev, ino: found.ino }
}

/** Whether the file is still the one that it was. */
export function isSameFile(file: string, { dev, ino }: FileIdentity): boolean {
  const now = identityOf(file)
  return now?.dev === dev && now.ino === ino
}

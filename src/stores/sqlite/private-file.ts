import { closeSync, openSync } from 'node:fs'

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

/** The file that SQLite makes for a path or a `file:` URI; `undefined` where it makes none. */
function fileOf(path: string): string | undefined {
  const file = path.startsWith('file:') ? fileOfUri(path) : path
  return file === ':memory:' || file === '' ? undefined : file
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

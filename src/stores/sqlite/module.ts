/**
 * Node's own SQLite, when it is first needed: at the import of a module it would end the process with a message that says
 * nothing of us, where Node was built without it.
 * @throws Error in a sentence
 */
export function sqliteModule(): typeof import('node:sqlite') {
  const found = process.getBuiltinModule('node:sqlite') as typeof import('node:sqlite') | undefined
  if (found !== undefined) return found
  throw new Error(`a SQLite store needs node:sqlite, which this Node.js (${process.version}) does not have`)
}

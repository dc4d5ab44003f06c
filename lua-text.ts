import { readFileSync } from 'node:fs'

/** Turns a `.lua` file into a module whose default export is its text: one rule for every bundler. */
export function luaModule(path: string): string {
  return `export default ${JSON.stringify(readFileSync(path, 'utf8'))}`
}

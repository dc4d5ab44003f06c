import { readFileSync } from 'node:fs'
import type { RunningRedis } from './redis-server.ts'

/**
 * Makes the user `app`, password `secret`, by the rules that a page of the documentation gives, so that the page cannot
 * promise that too few are enough.
 * @param page of `docs`: 'redis.md'
 * @param more rules that the page names beside its list
 */
export async function makeDocumentedUser(
  server: RunningRedis,
  page: string,
  ...more: string[]
): Promise<void> {
  const text = readFileSync(new URL(`../../../docs/${page}`, import.meta.url), 'utf8')
  const rules = /ACL SETUSER app ([^`]*)```/.exec(text)?.[1]
  if (rules === undefined) throw new Error(`docs/${page} has no "ACL SETUSER app"`)
  await server.cli('ACL', 'SETUSER', 'app', 'reset', ...rules.trim().split(/\s+/), ...more)
}

import { readFileSync } from 'node:fs'

/** From the package's own package.json, which lies above both `dist/` and `src/cli/`. */
export function packageVersion(): string {
  for (const up of ['../package.json', '../../package.json']) {
    try {
      const { name, version } = JSON.parse(readFileSync(new URL(up, import.meta.url), 'utf8')) as Record<
        string,
        unknown
      >
      if (name === 'undici-resilience' && typeof version === 'string') return version
    } catch {
      // not there: the other place
    }
  }
  return 'unknown'
}

import { CliError } from './cli-error.ts'

export type StoreLocation =
  | { readonly kind: 'sqlite'; readonly path: string }
  /** `url` may hold a password: only `shown` is ever printed. */
  | { readonly kind: 'redis'; readonly url: string; readonly shown: string }

export const STORE_VARIABLE = 'UNDICI_RESILIENCE_STORE'

const forms = 'redis://[user:password@]host[:port][/db], rediss://... or sqlite:path'

/** Reads `--store`. Messages never repeat the text: it may hold a password. */
export function parseStoreUrl(text: string | undefined): StoreLocation {
  if (text === undefined || text === '') {
    throw new CliError(`which store? Give --store or set ${STORE_VARIABLE}: ${forms}`)
  }
  const protocol = /^([a-z][a-z0-9+.-]*):/i.exec(text)?.[1]?.toLowerCase()
  if (protocol === 'sqlite') return sqliteLocation(text.slice('sqlite:'.length))
  if (protocol === 'redis' || protocol === 'rediss') return redisLocation(text)
  const got = protocol === undefined ? 'something else' : `the protocol "${protocol}:"`
  throw new CliError(`--store must be ${forms}; got ${got}`)
}

function sqliteLocation(given: string): StoreLocation {
  const path = given.startsWith('//') ? given.slice(2) : given
  if (path === '')
    throw new CliError('--store sqlite: needs a path, as in sqlite:/var/lib/app/dead-letters.db')
  if (path === ':memory:') throw new CliError('--store sqlite::memory: would be empty: name a file')
  return { kind: 'sqlite', path }
}

function redisLocation(text: string): StoreLocation {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || url.hostname === '') {
    throw new CliError(
      `--store is no valid url; it must be ${forms} (a password with special characters is percent-encoded)`,
    )
  }
  if (!/^\/?\d*$/.test(url.pathname))
    throw new CliError('--store redis://host/db: the database must be a number')
  const db = url.pathname.replace('/', '')
  const shown = `${url.protocol}//${url.hostname}:${url.port === '' ? '6379' : url.port}${db === '' ? '' : `/${db}`}`
  return { kind: 'redis', url: text, shown }
}

export function shownLocation(location: StoreLocation): string {
  return location.kind === 'redis' ? location.shown : `sqlite:${location.path}`
}

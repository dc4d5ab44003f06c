import { InputError } from '../operation-error.ts'

export type StoreLocation =
  | { readonly kind: 'sqlite'; readonly path: string }
  /** `url` may hold a password: only `shown` is ever printed. */
  | { readonly kind: 'redis' | 'postgres'; readonly url: string; readonly shown: string }

export const storeForms =
  'redis://[user:password@]host[:port][/db], rediss://..., postgres://[user:password@]host[:port]/database or sqlite:path'

/** @throws {InputError} that never repeats the text: it may hold a password */
export function parseStoreUrl(text: string): StoreLocation {
  const protocol = /^([a-z][a-z0-9+.-]*):/i.exec(text)?.[1]?.toLowerCase()
  if (protocol === 'sqlite') return sqliteLocation(text.slice('sqlite:'.length))
  if (protocol === 'redis' || protocol === 'rediss') return redisLocation(text)
  if (protocol === 'postgres' || protocol === 'postgresql') return postgresLocation(text)
  const got = protocol === undefined ? 'no protocol (a file is sqlite:path)' : `the protocol "${protocol}:"`
  throw new InputError('store', `must be ${storeForms}; got ${got}`)
}

function sqliteLocation(given: string): StoreLocation {
  const path = given.startsWith('//') ? given.slice(2) : given
  if (path === '') {
    throw new InputError('store', 'sqlite: needs a path, as in sqlite:/var/lib/app/dead-letters.db')
  }
  if (path === ':memory:') throw new InputError('store', 'sqlite::memory: would be empty: name a file')
  return { kind: 'sqlite', path }
}

function serverUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url !== undefined && url.hostname !== '') return url
  throw new InputError(
    'store',
    `is no valid url; it must be ${storeForms} (a password with special characters is percent-encoded)`,
  )
}

function postgresLocation(text: string): StoreLocation {
  const { hostname, port, pathname } = serverUrl(text)
  const shown = `postgres://${hostname}:${port === '' ? '5432' : port}${pathname}`
  return { kind: 'postgres', url: text, shown }
}

function redisLocation(text: string): StoreLocation {
  const url = serverUrl(text)
  if (!/^\/?\d*$/.test(url.pathname)) {
    throw new InputError('store', 'redis://host/db: the database must be a number')
  }
  const db = url.pathname.replace('/', '')
  const shown = `${url.protocol}//${url.hostname}:${url.port === '' ? '6379' : url.port}${db === '' ? '' : `/${db}`}`
  return { kind: 'redis', url: text, shown }
}

export function shownLocation(location: StoreLocation): string {
  return location.kind === 'sqlite' ? `sqlite:${location.path}` : location.shown
}

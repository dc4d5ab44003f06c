import { describe, expect, it } from 'vitest'
import { InputError } from '../../../../src/operations/operation-error.ts'
import { parseStoreUrl, shownLocation } from '../../../../src/operations/stores/store-url.ts'

function messageOf(text: string): string {
  try {
    parseStoreUrl(text)
  } catch (error) {
    expect(error).toBeInstanceOf(InputError)
    return (error as Error).message
  }
  throw new Error(`${text} was taken`)
}

describe('parseStoreUrl', () => {
  it('reads a path, relative or absolute', () => {
    expect(parseStoreUrl('sqlite:a/b.db')).toEqual({ kind: 'sqlite', path: 'a/b.db' })
    expect(parseStoreUrl('sqlite:/var/lib/a.db')).toEqual({ kind: 'sqlite', path: '/var/lib/a.db' })
    expect(parseStoreUrl('sqlite:///var/lib/a.db')).toEqual({ kind: 'sqlite', path: '/var/lib/a.db' })
  })

  it('reads redis and rediss, and shows them without credentials', () => {
    const location = parseStoreUrl('rediss://me:pw@redis.internal:6380/2')
    expect(location).toMatchObject({ kind: 'redis', url: 'rediss://me:pw@redis.internal:6380/2' })
    expect(shownLocation(location)).toBe('rediss://redis.internal:6380/2')
    expect(shownLocation(parseStoreUrl('redis://localhost'))).toBe('redis://localhost:6379')
  })

  it('reads postgres and postgresql, and shows them without credentials and parameters', () => {
    const location = parseStoreUrl('postgresql://me:pw@db.internal:6432/app?password=pw')
    expect(location).toMatchObject({ kind: 'postgres' })
    expect(shownLocation(location)).toBe('postgres://db.internal:6432/app')
    expect(shownLocation(parseStoreUrl('postgres://localhost/app'))).toBe('postgres://localhost:5432/app')
  })

  it('says what it takes', () => {
    expect(messageOf('')).toMatch(
      /^`store` must be redis:.*sqlite:path; got no protocol \(a file is sqlite:path\)$/,
    )
  })

  it('never repeats what it was given: it may hold a password', () => {
    for (const text of [
      'mysql://me:hunter2@db/x',
      'postgres://me:hunter2@/x',
      'postgres://me:hun#ter2@host/x',
      'redis://me:hunter2@/0',
      'redis://me:hunter2@host/name',
      'redis:hunter2',
      'hunter2',
      'redis://me:hun#ter2@host',
    ]) {
      expect(messageOf(text), text).not.toMatch(/hunter2|ter2/)
    }
  })

  it('refuses a database in memory and an empty path', () => {
    expect(messageOf('sqlite::memory:')).toMatch(/name a file/)
    expect(messageOf('sqlite:')).toMatch(/needs a path/)
  })
})

import { describe, expect, it } from 'vitest'
import { CliError } from '../../../src/cli/cli-error.ts'
import { parseStoreUrl, shownLocation } from '../../../src/cli/store-url.ts'

function messageOf(text: string | undefined): string {
  try {
    parseStoreUrl(text)
  } catch (error) {
    expect(error).toBeInstanceOf(CliError)
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

  it('says what it takes when there is none', () => {
    expect(messageOf(undefined)).toMatch(/UNDICI_RESILIENCE_STORE/)
    expect(messageOf('')).toMatch(/--store/)
  })

  it('never repeats what it was given: it may hold a password', () => {
    for (const text of [
      'postgres://me:hunter2@db/x',
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

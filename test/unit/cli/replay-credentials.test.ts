import { describe, expect, it } from 'vitest'
import {
  combinedCredentials,
  environmentHeader,
  replayCredentials,
} from '../../../src/cli/replay-credentials.ts'
import { checkOrigin } from '../../../src/cli/checked-origin.ts'
import { initialState } from '../../../src/dead-letter/lifecycle.ts'
import type { DeadLetter } from '../../../src/dead-letter/record.ts'
import { makeRecord } from '../../contracts/dead-letter-records.ts'

function entryTo(url: string): DeadLetter {
  const record = makeRecord({ request: { url } })
  return { ...record, ...initialState(record) }
}

describe('environmentHeader', () => {
  it('takes the value from the environment', () => {
    expect(environmentHeader('https://api.example.com=Authorization:AUTH', { AUTH: 'Bearer x' })).toEqual({
      origin: 'https://api.example.com',
      header: 'authorization',
      value: 'Bearer x',
    })
  })

  it('says what is wrong, never the value', () => {
    for (const [text, message] of [
      ['https://api.example.com', /must be <origin>=<header>:<VARIABLE>/],
      ['https://api.example.com/path=a:AUTH', /must be an origin/],
      ['https://api.example.com=a:NONE', /has no NONE/],
      ['https://api.example.com=a:BAD', /control character/],
      ['https://api.example.com=host:AUTH', /made by the client/],
    ] as const) {
      const read = (): unknown => environmentHeader(text, { AUTH: 'hunter2', BAD: 'hunter2\r\nx: y' })
      expect(read, text).toThrow(message)
      expect(read, text).not.toThrow(/hunter2/)
    }
  })
})

describe('combinedCredentials', () => {
  const header = { origin: 'https://api.example.com', header: 'authorization', value: 'Bearer env' }

  it('gives a header to its own origin and to no other', async () => {
    const credentials = combinedCredentials(undefined, [header])
    expect(await credentials(entryTo('https://api.example.com/x'))).toEqual({
      headers: { authorization: 'Bearer env' },
    })
    for (const url of [
      'https://api.example.com.evil.test/x',
      'http://api.example.com/x',
      'https://api.example.com:444/',
    ]) {
      expect(await credentials(entryTo(url)), url).toEqual({})
    }
  })

  it('adds to what the module gives, and goes over it', async () => {
    const plain = combinedCredentials(() => ({ authorization: 'old', 'x-a': '1' }), [header])
    expect(await plain(entryTo('https://api.example.com/x'))).toEqual({
      headers: { authorization: 'Bearer env', 'x-a': '1' },
    })
    const split = combinedCredentials(async () => Promise.resolve({ query: { key: 'q' } }), [header])
    expect(await split(entryTo('https://api.example.com/x'))).toEqual({
      headers: { authorization: 'Bearer env' },
      query: { key: 'q' },
    })
  })
})

it('refuses a credential for an origin that is not allowed', async () => {
  const options = { credentialsEnv: ['https://a.example=authorization:AUTH'] }
  await expect(replayCredentials(options, ['https://b.example'], { AUTH: 'x' })).rejects.toThrow(
    /no --allow-origin/,
  )
})

it('takes origins only as they are compared', () => {
  expect(checkOrigin('--allow-origin', 'https://api.example.com')).toBe('https://api.example.com')
  expect(() => checkOrigin('--allow-origin', 'https://api.example.com/')).toThrow(
    /did you mean https:\/\/api.example.com\?/,
  )
  expect(() => checkOrigin('--allow-origin', 'https://api.example.com:443')).toThrow(/did you mean/)
  expect(() => checkOrigin('--allow-origin', 'file:///etc')).toThrow(/must be an origin/)
})

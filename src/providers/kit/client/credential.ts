import { isWordForNothing } from '../../../http/nothing.ts'

/**
 * A credential as it may stand in a header. Unlike the checks in `src/options.ts` the messages never quote the value,
 * but for the word that a template makes of none.
 *
 * @throws TypeError when it is missing or not a string, RangeError when it cannot be sent
 */
export function credentialOption(name: string, value: unknown): string {
  if (typeof value !== 'string' || value === '') {
    const got = value === '' ? 'an empty string' : value === null ? 'null' : typeof value
    throw new TypeError(`\`${name}\` must be a non-empty string, got ${got}`)
  }
  if (isWordForNothing(value)) {
    throw new TypeError(`\`${name}\` must be a credential, got the word "${value}": is a variable not set?`)
  }
  if (!/^[\x21-\x7e]+$/.test(value)) {
    throw new RangeError(
      `\`${name}\` must be visible ASCII without spaces (a line break copied along?); its value is not shown`,
    )
  }
  return value
}

/** A token, or what gives the current one: asked before each call, for tokens that expire. */
export type Token = string | (() => string | Promise<string>)

/** Gives the token of now, checked. */
export type CurrentToken = () => string | Promise<string>

/** Checks a token now if it is there, else each time it is given. */
export function tokenOption(name: string, token: unknown): CurrentToken {
  if (typeof token !== 'function') {
    const text = credentialOption(name, token)
    return () => text
  }
  return async () => credentialOption(name, await (token as CurrentToken)())
}

/** The value of an `Authorization: Basic` header. */
export function basicAuthorization(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
}

import { httpOrigin } from '../http/url/origin.ts'
import { originMeantBy } from '../http/url/scope.ts'
import { InputError } from './operation-error.ts'

/** @throws {InputError} unless it is an origin as it is compared: no path, no default port */
export function checkOrigin(input: string, text: string): string {
  if (httpOrigin(text) === text) return text
  const origin = originMeantBy(text)
  const meant = origin === undefined ? '' : `; did you mean ${origin}?`
  throw new InputError(input, `must be an origin such as https://api.hubapi.com${meant}`)
}

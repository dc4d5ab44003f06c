import { CliError } from './cli-error.ts'

/** @throws {CliError} unless it is an origin as it is compared: no path, no default port */
export function checkOrigin(option: string, text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url !== undefined && /^https?:$/.test(url.protocol) && url.origin === text) return text
  const meant = url !== undefined && /^https?:$/.test(url.protocol) ? `; did you mean ${url.origin}?` : ''
  throw new CliError(`${option} must be an origin such as https://api.hubapi.com${meant}`)
}

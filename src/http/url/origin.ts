/**
 * The origin of an http or https url as origins are compared: lower case, no default port, no path. `undefined` for
 * everything else.
 */
export function httpOrigin(text: string): string | undefined {
  const url = URL.parse(text)
  return url !== null && /^https?:$/.test(url.protocol) ? url.origin : undefined
}

import { shown } from '../../options.ts'
import { messageWithoutUserinfo } from '../secrets/redacted-url.ts'

/**
 * The url under which the paths of requests are joined. One with userinfo is refused, since fetch refuses it with each
 * request; one with a query or fragment, since neither can be joined to. No secret of it is in a message.
 *
 * @throws TypeError for what is no url, RangeError for one that cannot be a base
 */
export function baseUrlOption(name: string, value: unknown): URL {
  const text = value instanceof URL ? value.href : value
  if (typeof text !== 'string' || !URL.canParse(text)) {
    const got = typeof text === 'string' ? withoutSecrets(text) : shown(text)
    throw new TypeError(`\`${name}\` must be an absolute http(s) url, got ${got}`)
  }
  const url = new URL(text)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new RangeError(`\`${name}\` must be an http(s) url, got ${withoutSecrets(text)}`)
  }
  if (url.username !== '' || url.password !== '') {
    throw new RangeError(`\`${name}\` must have no userinfo, got it for ${withoutSecrets(text)}`)
  }
  if (url.search !== '' || url.hash !== '') {
    throw new RangeError(
      `\`${name}\` must have no query and no fragment, got one for ${withoutSecrets(text)}`,
    )
  }
  return url
}

function withoutSecrets(text: string): string {
  return JSON.stringify(messageWithoutUserinfo(text).split(/[?#]/, 1)[0])
}

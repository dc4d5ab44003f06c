import { REDACTED, redactUrl, type UrlRules } from './redacted-url.ts'
import { decodedName, isSecretName } from './secret-names.ts'
import { withoutTokens } from './secret-shapes.ts'

/** A text that may quote urls, headers and tokens, as messages of errors do, without their secrets. */
export function redactText(text: string, max = Infinity, rules?: UrlRules): string {
  const cut = text.length > max ? `${text.slice(0, max)}...` : text
  const bare = cut
    .replace(/\b[a-z][a-z0-9+.-]{0,30}:\/\/[^\s"'<>`]+/gi, (url) => redactUrl(url, rules))
    .replace(
      /([?&;])([\w.~%+[\]-]{1,100})=(?!\[redacted\])[^\s&;"'<>`]+/g,
      (pair, before: string, name: string) =>
        isSecretName(decodedName(name), 'url') ? `${before}${name}=${REDACTED}` : pair,
    )
  return withoutCredentials(bare)
}

/** A text without what shows itself to be a credential: `Bearer` and `Basic` with what follows, and tokens by their shape. */
export function withoutCredentials(text: string): string {
  const bare = text.replace(/\b(bearer|basic)(\s+)(?!\[redacted\])[\w.~+/=-]{8,}/gi, `$1$2${REDACTED}`)
  return withoutTokens(bare, REDACTED)
}

/** A `link` header (RFC 8288) without the secrets of its targets. */
export function redactLink(value: string, rules?: UrlRules): string {
  return value.replace(/<([^>]*)>/g, (_, target: string) => `<${redactUrl(target, rules)}>`)
}

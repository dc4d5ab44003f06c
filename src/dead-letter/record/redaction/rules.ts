import { defaultUrlRules, type UrlRules } from '../../../http/secrets/redacted-url.ts'

/** What the `redact` option adds to the defaults; all names as `comparableName` makes them. */
export interface RedactionRules {
  /** Never kept, though the defaults would. */
  readonly headers: ReadonlySet<string>
  /** Kept beside the defaults; credentials are not, even when named here. */
  readonly keepHeaders: ReadonlySet<string>
  /** Further parameters and parts of urls. */
  readonly url: UrlRules
  /** Further body fields whose values are secret; `undefined`: bodies are kept as they are. */
  readonly body: ReadonlySet<string> | undefined
}

export const defaultRules: RedactionRules = {
  headers: new Set(),
  keepHeaders: new Set(),
  url: defaultUrlRules,
  body: new Set(),
}

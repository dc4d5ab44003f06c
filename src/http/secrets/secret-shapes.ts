/** Secrets that are known by how they look, whatever they are called. */

/**
 * Tokens that say themselves what they are: a JWT, and the prefixes that providers give theirs for scanners to find. Of
 * a run of letters only the first `eyJ` is tried: from each of them to the end of a long one it would take forever.
 */
const tokens =
  /(?<=(?<![\w-])(?:(?!eyJ)[\w-])*)eyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*|\b(?:gh[oprsu]_|github_pat_|glpat-|xox[abeoprs]-|xapp-|[rs]k_(?:live|test)_|whsec_|sk-(?:ant-|proj-)?|shp(?:at|ca|pa|ss)_|npm_|dop_v1_|hf_|pat-[a-z]{2}\d-|SG\.|ya29\.|AIza|AKIA)[\w.-]{16,}/

/** Whether a text is such a token, or holds one. */
export function holdsToken(text: string): boolean {
  return text.length > 18 && tokens.test(text)
}

/** The text with such tokens replaced. */
export function withoutTokens(text: string, replacement: string): string {
  return tokens.test(text) ? text.replace(new RegExp(tokens, 'g'), replacement) : text
}

/**
 * Addresses that are a password as a whole: who knows them may post there. Each pattern has the secret in its first
 * group, and is tried on host and path together.
 */
const addresses = [
  /^hooks\.slack(?:-gov)?\.com\/(?:services|workflows|triggers)\/(.+)/i,
  /\/services\/T[A-Z0-9]+\/B[A-Z0-9]+\/([^/]+)/,
  /^[^/]*\bdiscord(?:app)?\.com(?::\d+)?\/api\/(?:v\d+\/)?webhooks\/\d+\/([^/]+)/i,
  /\/webhooks\/\d{15,}\/([\w-]{20,})/,
  // Telegram: the number is the bot's own
  /\/bot(\d+(?::|%3a)[^/]+)/i,
  /^[^/]*\.webhook\.office\.com\/[^/]+\/(.+)/i,
  /^hooks\.zapier\.com\/hooks\/(?:catch|standard)\/(.+)/i,
  /^hook\.(?:[a-z0-9]+\.)?(?:make|integromat)\.com\/([^/]+)/i,
  /^maker\.ifttt\.com\/(?:.*\/)?with\/key\/([^/]+)/i,
  // Mattermost, on hosts of its users: 16 random bytes in z-base-32, which has no 0, as a ULID has, and no l, v and 2
  /\/hooks\/(?:commands\/)?((?=[a-z]*\d)[a-km-uw-z13-9]{26})(?![^/;])/,
]

/** Cheap first look: each of them has one of these. */
const address = /hook|\/services\/T|\/bot\d|ifttt/i

/** The parts of host and path that an address of this kind keeps secret. */
export function secretOfAddress(hostAndPath: string): string | undefined {
  if (!address.test(hostAndPath)) return undefined
  for (const pattern of addresses) {
    const secret = pattern.exec(hostAndPath)?.[1]
    if (secret !== undefined) return secret
  }
  return undefined
}

/**
 * A segment of a path that is a long random token: at least 40 letters, digits, `-` and `_`, with capitals, small letters
 * and digits among them. Hexadecimal hashes and UUIDs, which name things, have no capitals among small letters.
 */
export function isRandomToken(segment: string): boolean {
  return (
    segment.length >= 40 &&
    /^[\w-]+=*$/.test(segment) &&
    /[a-z]/.test(segment) &&
    /[A-Z]/.test(segment) &&
    (segment.match(/\d/g)?.length ?? 0) >= 3
  )
}

/** A segment that may be the token that the segment before it announces: `/token/9f8e7d6c5b4a3210`. */
export function looksRandom(segment: string): boolean {
  return segment.length >= 16 && /^[\w.~+=-]+$/.test(segment) && /\d/.test(segment) && /[a-z]/i.test(segment)
}

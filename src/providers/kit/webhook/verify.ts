import { createHmac, timingSafeEqual } from 'node:crypto'
import { WebhookSignatureError } from './error.ts'
import type { WebhookTime } from './options.ts'

/** The HMAC of the parts, one after another. */
export function hmac(
  algorithm: 'sha1' | 'sha256',
  secret: string,
  encoding: 'hex' | 'base64',
  ...parts: readonly (string | Uint8Array)[]
): string {
  const mac = createHmac(algorithm, secret)
  for (const part of parts) mac.update(part)
  return mac.digest(encoding)
}

/**
 * Checks that one of the signatures that came is one of those that would be right. All are compared, each in a time that does
 * not depend on where they differ.
 *
 * @param given as they came; `undefined` or none: there is no signature
 * @param right what each of the secrets gives
 * @throws WebhookSignatureError
 */
export function checkSignatures(
  integration: string,
  given: readonly string[] | undefined,
  right: readonly string[],
): void {
  if (given === undefined || given.length === 0) {
    throw new WebhookSignatureError(integration, 'missing', 'it is not signed')
  }
  let matches = 0
  for (const one of given) for (const other of right) matches += isSame(one, other) ? 1 : 0
  if (matches === 0) {
    const what = 'signed with another secret, or for another body, url or method'
    throw new WebhookSignatureError(integration, 'mismatch', what)
  }
}

function isSame(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)]
  // the length of a right signature is no secret
  return a.length === b.length && timingSafeEqual(a, b)
}

/**
 * Checks that the delivery was signed lately; to be asked after its signature, which makes the time worth something.
 *
 * @param at as it came
 * @param unitMs what it counts: 1,000 for seconds, 1 for milliseconds
 * @throws WebhookSignatureError
 */
export function checkTime(
  integration: string,
  at: string | undefined,
  unitMs: number,
  { toleranceMs, now }: WebhookTime,
): void {
  if (at === undefined) {
    throw new WebhookSignatureError(integration, 'missing', 'it does not say when it was signed')
  }
  if (!/^\d{1,15}$/.test(at)) {
    throw new WebhookSignatureError(integration, 'malformed', 'the time of its signature is no number')
  }
  // a clock that gives no number lets nothing pass
  if (!(Math.abs(now() - Number(at) * unitMs) <= toleranceMs)) {
    const what = 'signed too long ago, or in the future: a replay, or a wrong clock'
    throw new WebhookSignatureError(integration, 'expired', what)
  }
}

/** The fields of `t=1,v1=abc,v1=def`, each with all its values. */
export function fieldsOf(header: string | undefined): ReadonlyMap<string, readonly string[]> {
  const fields = new Map<string, string[]>()
  for (const part of (header ?? '').split(',')) {
    // by hand: whoever sends this has not shown who it is yet, and a search must not cost more than the text is long
    const at = part.indexOf('=')
    if (at < 1) continue
    const [name, value] = [part.slice(0, at).trim(), part.slice(at + 1).trim()]
    const known = fields.get(name)
    if (known === undefined) fields.set(name, [value])
    else known.push(value)
  }
  return fields
}

import { withoutCredentials } from '../../../http/secrets/redacted-text.ts'
import { redactBody } from './body.ts'
import { decodedBody, isKnownEncoding } from './encoded-body.ts'
import { MAX_READ_BYTES } from './field-names.ts'
import type { BodyKind } from './headers.ts'
import type { RedactionRules } from './rules.ts'

interface ShownBody {
  /** `undefined` when nothing of it can be shown. */
  text: string | undefined
  /** It is not the whole body. */
  truncated: boolean
}

/**
 * The start of a response body as text. A compressed one is decoded, up to as many bytes as were to be kept; one that
 * cannot be (another encoding, damaged) is left out, since as text it would be noise.
 */
export function redactResponseBody(
  { bytes, truncated, max }: { readonly bytes: Buffer; readonly truncated: boolean; readonly max: number },
  { type, encoding }: BodyKind,
  rules: RedactionRules,
): ShownBody {
  if (bytes.byteLength === 0) return { text: '', truncated }
  const plain = encoding === '' || encoding === 'identity'
  const whole = plain
    ? bytes
    : isKnownEncoding(encoding)
      ? decodedBody(bytes, encoding, MAX_READ_BYTES, truncated)
      : undefined
  if (whole === undefined) return { text: undefined, truncated: true }
  const { body } = redactBody(whole.subarray(0, max), { type, encoding: '' }, rules)
  const text = body?.toString('utf8')
  return {
    // nobody sends it again: what a provider echoes of the request goes wherever it stands
    text: text === undefined || rules.body === undefined ? text : withoutCredentials(text),
    truncated: truncated || whole.byteLength > max || body === undefined,
  }
}

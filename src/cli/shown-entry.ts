import { REDACTED, redactUrl } from '../call/redacted-url.ts'
import type { DeadLetter, DeadLetterError } from '../dead-letter/record.ts'
import { defaultRules, isCredentialHeader, redactBody, redactText } from '../dead-letter/redaction.ts'

/** Looking for secrets in what is larger takes seconds, if somebody has made it for that. */
const MAX_SHOWN_BYTES = 1024 * 1024

type Headers = Readonly<Record<string, string | readonly string[]>>

/**
 * The entry as it may be printed. A store may hold what redaction did not touch: entries of other writers, and bodies
 * kept with `redact: { body: false }`. Nothing that looks like a credential by its name is printed all the same.
 */
export function shownEntry(entry: DeadLetter): DeadLetter {
  const { request, response, sealed } = entry
  return {
    ...entry,
    request: { ...shownRequest(request), headers: shownHeaders(request.headers) },
    ...(response === undefined
      ? {}
      : {
          response: {
            ...response,
            headers: shownHeaders(response.headers),
            ...(response.body === undefined ? {} : { body: shownText(response.body, response.headers) }),
          },
        }),
    error: shownError(entry.error),
    ...(sealed === undefined ? {} : { sealed: { keyId: sealed.keyId } }),
  }
}

function shownRequest({ body, ...request }: DeadLetter['request']): DeadLetter['request'] {
  const bare = { ...request, url: redactUrl(request.url) }
  if (body === undefined) return bare
  if (body.byteLength > MAX_SHOWN_BYTES) {
    return { ...bare, body: Buffer.from('[too large to be shown: see --save-body]'), bodyRedacted: true }
  }
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  const shown = redactBody(bytes, contentType(request.headers), defaultRules)
  return {
    ...bare,
    body: shown.body ?? Buffer.from(REDACTED),
    ...(shown.changed ? { bodyRedacted: true } : {}),
  }
}

function shownHeaders(headers: Headers): Headers {
  const shown = Object.create(null) as Record<string, string | readonly string[]>
  for (const [name, value] of Object.entries(headers)) {
    shown[name] = isCredentialHeader(name.toLowerCase()) ? REDACTED : value
  }
  return shown
}

function shownText(text: string, headers: Headers): string {
  const { body } = redactBody(Buffer.from(text), contentType(headers), defaultRules)
  return body === undefined ? REDACTED : body.toString('utf8')
}

function shownError(error: DeadLetterError): DeadLetterError {
  return {
    ...error,
    message: redactText(error.message, 1000),
    ...(error.cause === undefined ? {} : { cause: shownError(error.cause) }),
    ...(error.errors === undefined ? {} : { errors: error.errors.map(shownError) }),
  }
}

function contentType(headers: Headers): string {
  return String(headers['content-type'] ?? '')
}

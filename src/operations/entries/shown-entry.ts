import type { DeadLetter, DeadLetterError } from '../../dead-letter/record/record.ts'
import { redactBody } from '../../dead-letter/record/redaction/body.ts'
import { bodyKind, isCredentialHeader } from '../../dead-letter/record/redaction/headers.ts'
import { defaultRules } from '../../dead-letter/record/redaction/rules.ts'
import { redactLink, redactText } from '../../http/secrets/redacted-text.ts'
import { REDACTED, redactUrl } from '../../http/secrets/redacted-url.ts'

/** Finding secrets in a larger body can take seconds, if it was made to. */
const MAX_SHOWN_BYTES = 1024 * 1024

/** Stands for a body that is larger. */
export const TOO_LARGE_TO_SHOW = '[too large to be shown]'

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
    return { ...bare, body: Buffer.from(TOO_LARGE_TO_SHOW), bodyRedacted: true }
  }
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  const shown = redactBody(bytes, bodyKind(request.headers), defaultRules)
  return {
    ...bare,
    body: shown.body ?? Buffer.from(REDACTED),
    ...(shown.changed ? { bodyRedacted: true } : {}),
  }
}

function shownHeaders(headers: Headers): Headers {
  const shown = Object.create(null) as Record<string, string | readonly string[]>
  for (const [name, value] of Object.entries(headers)) {
    const lower = name.toLowerCase()
    shown[name] = isCredentialHeader(lower) ? REDACTED : lower === 'link' ? redactLink(String(value)) : value
  }
  return shown
}

function shownText(text: string, headers: Headers): string {
  const { body } = redactBody(Buffer.from(text), { ...bodyKind(headers), encoding: '' }, defaultRules)
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

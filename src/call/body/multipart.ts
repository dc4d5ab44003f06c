import { randomBytes } from 'node:crypto'

/** A form as `undici.request` takes it: undici's own FormData, or the built-in one. */
interface FormLike extends Iterable<[string, string | Blob]> {
  readonly [Symbol.toStringTag]: string
}

export function isFormLike(body: unknown): body is FormLike {
  return (
    typeof body === 'object' &&
    body !== null &&
    // every fetch body is a generator: no form, at the first look
    !(Symbol.asyncIterator in body) &&
    (body as FormLike)[Symbol.toStringTag] === 'FormData' &&
    typeof (body as { append?: unknown }).append === 'function'
  )
}

/**
 * Serialises a form once, so that every attempt sends the same bytes with the same boundary. A Blob keeps files on
 * their own storage and has a size, so the request keeps its content-length.
 *
 * @see https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#multipart-form-data
 */
export function serializeForm(form: FormLike): Blob {
  const boundary = `----formdata-undici-resilience-${randomBytes(12).toString('hex')}`
  const parts: (string | Blob)[] = []
  for (const [name, value] of form) {
    const head = `--${boundary}\r\ncontent-disposition: form-data; name="${escaped(withCrlf(name))}"`
    if (typeof value === 'string') {
      parts.push(`${head}\r\n\r\n${withCrlf(value)}\r\n`)
    } else {
      const filename = escaped((value as { name?: string }).name ?? 'blob')
      const type = value.type || 'application/octet-stream'
      parts.push(`${head}; filename="${filename}"\r\ncontent-type: ${type}\r\n\r\n`, value, '\r\n')
    }
  }
  parts.push(`--${boundary}--\r\n`)
  return new Blob(parts, { type: `multipart/form-data; boundary=${boundary}` })
}

function withCrlf(text: string): string {
  return text.replace(/\r\n|\r|\n/g, '\r\n')
}

function escaped(text: string): string {
  return text.replace(/\n/g, '%0A').replace(/\r/g, '%0D').replace(/"/g, '%22')
}

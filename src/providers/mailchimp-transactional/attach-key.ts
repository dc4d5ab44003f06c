import type { Dispatcher } from 'undici'
import { eachHeader } from '../../http/headers.ts'

type Body = string | Uint8Array | AsyncIterable<Uint8Array> | Iterable<Uint8Array> | null | undefined

/**
 * Puts the API key into the JSON object that is the body, on its way out. It stands below the stack: what is recorded,
 * stored and replayed is the body without the key, and each replay through the same Agent gets it again.
 */
export function attachKey(apiKey: string): Dispatcher.DispatcherComposeInterceptor {
  const field = Buffer.from(`{"key":${JSON.stringify(apiKey)}`)
  return (dispatch) =>
    function keyedDispatch(options, handler) {
      const given = options.body as Body
      const keyed = { ...options }
      if (given === null || given === undefined) {
        keyed.body = Buffer.concat([field, Buffer.from('}')])
        keyed.headers = withoutLength(options.headers)
      } else if (typeof given === 'string' || given instanceof Uint8Array) {
        keyed.body = splice(field, Buffer.from(given as Uint8Array))
        keyed.headers = withoutLength(options.headers)
      } else {
        // its length is no longer known beforehand; undici sends it in chunks
        keyed.body = spliced(field, given) as never
        keyed.headers = withoutLength(options.headers)
      }
      return dispatch(keyed, handler)
    }
}

async function* spliced(
  field: Buffer,
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<Buffer, void, undefined> {
  let start: Buffer | undefined = Buffer.alloc(0)
  for await (const chunk of body) {
    if (start === undefined) {
      yield Buffer.from(chunk)
      continue
    }
    start = Buffer.concat([start, chunk])
    // whether a comma is needed shows in the first byte behind the brace
    if (/^\s*\{\s*\S/.test(start.toString('latin1'))) {
      yield splice(field, start)
      start = undefined
    }
  }
  if (start !== undefined) yield splice(field, start)
}

/** `{...` with the field as its first one. What is no object is left as it is: the API refuses it for want of a key. */
function splice(field: Buffer, body: Buffer): Buffer {
  const opening = /^\s*\{\s*/.exec(body.toString('latin1'))
  if (opening === null) return body
  const rest = body.subarray(opening[0].length)
  return Buffer.concat([field, Buffer.from(rest[0] === 0x7d ? '' : ','), rest])
}

function withoutLength(headers: Dispatcher.DispatchOptions['headers']): string[] {
  const kept: string[] = []
  for (const [name, value] of eachHeader(headers)) {
    if (name.toLowerCase() !== 'content-length') kept.push(name, value)
  }
  return kept
}

import { isNoCredential } from '../../../http/secrets/no-credential.ts'
import { isDispensable } from '../../record/kept-headers.ts'
import type { DeadLetter } from '../../record/record.ts'
import { isCredentialHeader } from '../../record/redaction/headers.ts'

type Headers = Readonly<Record<string, string | readonly string[]>>

/** What the call had and its replay has not. All names in lower case, but for those of the query, as they stood there. */
interface Missing {
  /** Headers that hold a credential: never kept, nor sealed. */
  readonly credentials: readonly string[]
  /** Those of `credentials` that are given, with nothing in them. */
  readonly empty: readonly string[]
  /** Other headers that were not kept. */
  readonly headers: readonly string[]
  /** Kept, with characters that cannot be sent. */
  readonly unsendable: readonly string[]
  readonly query: readonly string[]
}

/**
 * Compares a replay with its call, by the names in the record. Without a header of its call a request may do something
 * else; without its credential it may be told that there is nothing: many providers hide from strangers with a 404.
 */
export function missingOf(
  { request: { omittedHeaders = [] } }: DeadLetter,
  headers: Headers,
  { unsendable, query }: Pick<Missing, 'unsendable' | 'query'>,
): Missing {
  const lost = omittedHeaders.filter((name) => !isGiven(name, headers) && !isDispensable(name))
  const credentials = lost.filter(isCredentialHeader)
  return {
    credentials,
    empty: credentials.filter((name) => name in headers),
    headers: lost.filter((name) => !isCredentialHeader(name)),
    unsendable: unsendable.filter((name) => !(name in headers)),
    query,
  }
}

/** A credential with nothing in it is none: a variable of the environment that is not set. */
function isGiven(name: string, headers: Headers): boolean {
  const value = headers[name]
  return value !== undefined && !(isCredentialHeader(name) && [value].flat().every(isNoCredential))
}

/** All that is missing in one sentence, so that nobody learns of it one replay after the other; `undefined` for nothing. */
export function missingText({ credentials, empty, headers, unsendable, query }: Missing): string | undefined {
  const absent = credentials.filter((name) => !empty.includes(name))
  const parts = [
    listed(absent, 'the credential', 'of the call is never kept', 'of the call are never kept'),
    listed(
      empty,
      'the credential',
      'of the call was given with nothing in it',
      'of the call were given with nothing in them',
    ),
    listed(headers, 'the header', 'was not kept', 'were not kept'),
    listed(unsendable, 'the header', 'cannot be sent as it was kept', 'cannot be sent as they were kept'),
    listed(query, 'the query parameter', 'was not kept', 'were not kept'),
  ].filter((part) => part !== undefined)
  if (parts.length === 0) return undefined
  const ofHeaders = credentials.length + headers.length + unsendable.length
  const ways = [
    query.length === 0
      ? 'give it in `credentials`'
      : ofHeaders === 0
        ? 'give it in `credentials` as `query`'
        : 'give it in `credentials` as `headers` and `query`',
    ...(headers.length === 0 ? [] : ['keep it with `redact.keepHeaders`']),
    ...(headers.length + unsendable.length + query.length === 0 ? [] : ['seal']),
    ...(credentials.length === 0 ? [] : ["say `missingHeaders: 'send'` where the dispatcher adds it"]),
  ]
  return `${parts.join(', ')}: ${ways
    .slice(0, -1)
    .map((way) => `${way}, `)
    .join('')}${ways.length === 1 ? '' : 'or '}${ways.at(-1)}`
}

function listed(names: readonly string[], what: string, one: string, many: string): string | undefined {
  if (names.length === 0) return undefined
  const shown = names.map((name) => JSON.stringify(name)).join(', ')
  return names.length === 1 ? `${what} ${shown} ${one}` : `${what}s ${shown} ${many}`
}

import { originOf, type DeadLetter } from '../../dead-letter/record/record.ts'
import { isCredentialHeader, isTransportHeader } from '../../dead-letter/record/redaction/headers.ts'
import { type ReplayCredentials, splitCredentials } from '../../dead-letter/replay/entry/request.ts'
import type { ReplayOptions } from '../../dead-letter/replay/options.ts'
import { isNoCredential } from '../../http/secrets/no-credential.ts'
import { headerFault } from '../../http/sendable-request.ts'
import { checkOrigin } from '../checked-origin.ts'
import { InputError } from '../operation-error.ts'

export type Credentials = NonNullable<ReplayOptions['credentials']>

/** A header that goes to one origin alone. */
export interface OriginHeader {
  readonly origin: string
  /** Its name, in lower case. */
  readonly header: string
  readonly value: string
}

/** @throws {InputError} that never says the value, unless a replay to one of `allowedOrigins` may send it */
export function checkOriginHeader(
  input: string,
  { origin, header, value }: OriginHeader,
  allowedOrigins: readonly string[],
): OriginHeader {
  checkOrigin(input, origin)
  const name = header.toLowerCase()
  const fault = headerFault(name, value)
  if (fault !== undefined) throw new InputError(input, `cannot be sent: the header ${fault}`)
  if (isTransportHeader(name)) {
    throw new InputError(input, `has the header "${name}": it is made by the client`)
  }
  if (isCredentialHeader(name) && isNoCredential(value)) {
    throw new InputError(input, `has the header "${name}" with no credential in it`)
  }
  if (!allowedOrigins.includes(origin)) {
    throw new InputError(input, `names ${origin}, to which nothing is allowed to go`)
  }
  return { origin, header: name, value }
}

/** The credentials, and over them for each origin its own headers. */
export function withOriginHeaders(
  credentials: Credentials | undefined,
  headers: readonly OriginHeader[],
): Credentials {
  return async (record: DeadLetter): Promise<ReplayCredentials> => {
    const given = splitCredentials((await credentials?.(record)) ?? {})
    const origin = originOf(record)
    const own = headers
      .filter((one) => one.origin === origin)
      .map(({ header, value }) => [header, value] as const)
    return { headers: { ...given.headers, ...Object.fromEntries(own) }, query: given.query }
  }
}
